"""Pages per second of the crawl stage, start-up included, over a generated site on loopback.

Pages are like real article pages: 60 kB of HTML, 20 images with alt, 30 links. CPU is that of the
crawl alone; the server runs outside of what is measured.
"""

import argparse
import random
import tempfile
from pathlib import Path

from measure import cost_of, report
from webpairs_pipeline.recipe import ServeSection
from webpairs_pipeline.serve import serving

WORDS = ("red", "small", "house", "street", "under", "light", "people", "old", "river", "city")


def page(number: int, n_pages: int, rng: random.Random) -> str:
    """One page: paragraphs, images with alts, links to other pages."""
    blocks = []
    for i in range(60):
        text = " ".join(rng.choices(WORDS, k=150))
        blocks.append(f"<div class='block'><p>{text}</p></div>")
        if i % 3 == 0:
            alt = " ".join(rng.choices(WORDS, k=8))
            blocks.append(f'<img src="/media/{number}-{i}.jpg" alt="{alt}" width=640 height=480>')
        if i % 2 == 0:
            blocks.append(f'<a href="page-{rng.randrange(n_pages)}.html">{text[:40]}</a>')
    links = f'<a href="page-{(number + 1) % n_pages}.html">next</a>'
    return f"<!doctype html><html lang=en><title>{number}</title>{links}{''.join(blocks)}</html>"


def main() -> None:
    """Write the site, serve it, crawl it, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--port", type=int, default=8571)
    args = parser.parse_args()
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = folder / "site" / "host"
        site.mkdir(parents=True)
        for number in range(args.pages):
            (site / f"page-{number}.html").write_text(page(number, args.pages, rng))
        index = "".join(f'<a href="page-{i}.html">{i}</a>' for i in range(0, args.pages, 20))
        (site / "index.html").write_text(f"<!doctype html><html lang=en>{index}</html>")
        recipe = folder / "bench.toml"
        recipe.write_text(
            'name = "bench"\n[crawl]\nprivate_networks = ["127.0.0.0/8"]\nmax_depth = 1000\n'
            f'seeds = ["http://127.0.0.2:{args.port}/index.html"]\nmax_pages = {args.pages}\n'
        )
        section = ServeSection(web="folders", path=str(folder / "site"), port=args.port)
        with serving(section, folder / "out"):
            cost = cost_of("crawl", recipe, "--out", folder / "out")
        [funnel] = cost.result["stages"]["crawl"]["funnels"]
        report("crawl", "pages", funnel["kept"], cost)


if __name__ == "__main__":
    main()
