"""Images per second of the fetch stage (fetch, decode, resize to 256 px, hash, encode), start-up
included, over loopback. CPU is that of the stage alone; the server runs outside of it.

By default the images are drawn: 0.7 MP JPEGs of about 130 kB. `--folder` takes real ones instead.
"""

import argparse
import tempfile
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

from measure import cost_of, report
from webpairs_pipeline.recipe import ServeSection
from webpairs_pipeline.serve import serving


def draw(target: Path, seed: int) -> None:
    """A photo-like picture: smooth structure with a little noise."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth = Image.fromarray(small).resize((960, 720), Image.Resampling.BICUBIC)
    noise = rng.normal(0, 6, (720, 960, 3))
    noisy = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(target, quality=80)


def main() -> None:
    """Write images and a page, serve them, run crawl and filter, measure fetch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--folder", type=Path, help="real images to use instead of drawn ones")
    parser.add_argument("--port", type=int, default=8572)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = folder / "site" / "host"
        site.mkdir(parents=True)
        found = sorted(args.folder.rglob("*.jpg")) if args.folder else []
        for i, source in enumerate(islice(cycle(found or [None]), args.images)):
            if source:
                (site / f"{i}.jpg").write_bytes(source.read_bytes())
            else:
                draw(site / f"{i}.jpg", i)
        images = "".join(
            f'<img src="{i}.jpg" alt="picture number {i}">' for i in range(args.images)
        )
        (site / "index.html").write_text(f"<!doctype html><html lang=en>{images}</html>")
        recipe = folder / "bench.toml"
        recipe.write_text(
            'name = "bench"\n[crawl]\nprivate_networks = ["127.0.0.0/8"]\n'
            f'seeds = ["http://127.0.0.2:{args.port}/index.html"]\n'
            "[fetch]\nper_host = 16\n[image]\nmin_side_px = 16\n"
        )
        section = ServeSection(web="folders", path=str(folder / "site"), port=args.port)
        with serving(section, folder / "out"):
            for command in ("crawl", "filter"):
                cost_of(command, recipe, "--out", folder / "out")
            cost = cost_of("fetch", recipe, "--out", folder / "out")
        [funnel] = cost.result["stages"]["fetch"]["funnels"]
        report("fetch", "images", funnel["kept"], cost)


if __name__ == "__main__":
    main()
