"""A corpus of pictures as the web has them, made once in a folder: for the benchmarks that compare.

    python benchmarks/image_corpus.py --corpus FOLDER [--n 1200] [--photos DIR]

Sizes are log-normal (median 0.39 MP, mean 0.66), 83 % are JPEG (a third of them progressive), 8 %
PNG, 10 % WebP, 131 kB on average: what was measured on lists of web images. Each picture is a crop
of a sheet, scaled down to its size: a drawn sheet with detail on all scales, edges and flat
places, or a real photograph (`--photos`). PNGs are posterised, as the web's are mostly graphics.
Equal arguments and equal versions of Pillow and NumPy give equal bytes; a finished corpus is taken
as it is.

Left out, because img2dataset stores such pictures wrong and a comparison of pixels would speak of
that: EXIF orientation, colour profiles, transparency, 16 bits, grey.
"""

import argparse
import io
import json
import math
import sys
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageOps

MEDIAN_MP = 0.39
SIGMA = math.sqrt(2 * math.log(0.66 / 0.39))
"""Of the logarithm of the area: mean over median of a log-normal is exp(sigma² / 2)."""
LARGEST_MP, SMALLEST_MP = 6.0, 0.04
SHAPES = (4 / 3, 3 / 2, 1.0, 16 / 9, 3 / 4, 2 / 3, 1.9)
KINDS = (("jpg", 0.825), ("png", 0.08), ("webp", 0.095))
_SEED = 0
N_SHEETS = 10
SHEET = (3000, 2250)
OCTAVES = 9
PHOTO_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


def add_corpus_options(parser: argparse.ArgumentParser, n: int = 1200) -> None:
    """Let a script be told which corpus it works on: `corpus(args.corpus, args.n, args.photos)`."""
    parser.add_argument("--corpus", type=Path, required=True, help="where the corpus is or goes")
    parser.add_argument("--photos", type=Path, help="cut it from the photographs under this folder")
    parser.add_argument("--n", type=int, default=n, help="how many pictures")


def corpus(folder: Path, n: int, photos: Path | None = None) -> list[Path]:
    """The pictures of the corpus in `folder`, made unless they are there; in a mixed order.

    Ends the script when the folder holds another corpus, or `photos` no photograph.
    """
    made_with = {"n": n, "seed": _SEED, "photos": photos and photos.name, "pillow": PIL.__version__}
    note = folder / "corpus.json"
    if note.exists():
        found: dict[str, Any] = json.loads(note.read_text())
        if found["made_with"] != made_with:
            sys.exit(f"{folder} holds another corpus ({found['made_with']}): name another folder")
        return [folder / "pictures" / name for name in found["names"]]
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    sources = _photos(photos) if photos else []
    areas = np.random.default_rng(_SEED).permutation([_area_px((i + 0.5) / n) for i in range(n)])
    names = []
    for i in range(n):
        rng = np.random.default_rng([_SEED, i])
        sheet = _photo(sources[i % len(sources)]) if sources else _sheet(i * N_SHEETS // n)
        kind, data = _encoded(_picture(sheet, float(areas[i]), rng), rng)
        names.append(f"{i:05d}.{kind}")
        (folder / "pictures" / names[-1]).write_bytes(data)
    np.random.default_rng(_SEED).shuffle(names)
    note.write_text(json.dumps({"made_with": made_with, "names": names}))
    return [folder / "pictures" / name for name in names]


def _photos(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_ENDINGS)
    return found or sys.exit(f"no {', '.join(sorted(PHOTO_ENDINGS))} under {folder}")


@lru_cache(maxsize=64)
def _photo(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


@lru_cache(maxsize=1)
def _sheet(number: int) -> Image.Image:
    return drawn(np.random.default_rng([_SEED, 1_000_000 + number]), SHEET)


def drawn(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A picture of that width and height that is as much work to a decoder as a photograph.

    Noise whose amplitude falls as its detail gets finer, as in photographs (about 1/f), over shapes
    with edges; the finest noise is strong in some places and absent in others.
    """
    width, height = size
    canvas = Image.new("RGB", size, tuple(int(v) for v in rng.integers(90, 166, 3)))
    draw = ImageDraw.Draw(canvas)
    for _ in range(400):
        x, y = rng.integers(0, width), rng.integers(0, height)
        w, h = np.exp(rng.normal(4.4, 1.0, 2)).clip(4, 900)
        fill = tuple(int(v) for v in rng.integers(30, 200) + rng.integers(-30, 56, 3))
        figure = (draw.ellipse, draw.rectangle, draw.line)[rng.integers(0, 3)]
        figure([float(x), float(y), float(x + w), float(y + h)], fill=fill)
    total = np.asarray(canvas, dtype=np.float32)
    rough = 0.5 + 0.6 * _noise(rng, size, 8, 1) ** 2  # where the fine detail is
    for octave in range(OCTAVES):
        cells = 4 * 2**octave
        layer = _noise(rng, size, cells, 1) * 0.8 + _noise(rng, size, cells, 3) * 0.35
        total = total + layer * (46 / 1.37**octave) * (rough if octave > 3 else 1.0)
    total = total + rng.normal(0, 3.5, (height, width, 1)).astype(np.float32)  # the sensor's
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: int, channels: int) -> Any:
    """Smooth noise of `cells` cells across: height x width x channels."""
    rows = max(2, cells * size[1] // size[0])
    planes = [
        Image.fromarray(rng.normal(0, 1, (rows, cells)).astype(np.float32)).resize(
            size, Image.Resampling.BICUBIC
        )
        for _ in range(channels)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _area_px(quantile: float) -> float:
    """Equally spaced quantiles give the same mean to a small corpus as to a large one."""
    area_mp = MEDIAN_MP * math.exp(SIGMA * NormalDist().inv_cdf(quantile))
    return 1e6 * min(max(area_mp, SMALLEST_MP), LARGEST_MP)


def _picture(sheet: Image.Image, area: float, rng: np.random.Generator) -> Image.Image:
    """A crop of the sheet, scaled down by up to 2.2 (not up: that would make smooth pictures)."""
    shape = float(rng.choice(SHAPES))
    width, height = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
    most = min(sheet.width / width, sheet.height / height)
    scale = min(most, float(rng.uniform(1.0, 2.2)))
    w, h = min(width * scale, sheet.width), min(height * scale, sheet.height)
    left, top = rng.uniform(0, sheet.width - w), rng.uniform(0, sheet.height - h)
    box = (left, top, left + w, top + h)
    return sheet.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _encoded(picture: Image.Image, rng: np.random.Generator) -> tuple[str, bytes]:
    kind = str(rng.choice([name for name, _ in KINDS], p=[share for _, share in KINDS]))
    buffer = io.BytesIO()
    quality = int(rng.choice((75, 80, 82, 85, 88, 90, 92, 95)))
    match kind:
        case "jpg":
            is_progressive = bool(rng.random() < 1 / 3)
            picture.save(buffer, "JPEG", quality=quality, progressive=is_progressive)
        case "webp":
            picture.save(buffer, "WEBP", quality=quality)
        case _:
            small = picture.resize((picture.width // 6 + 1, picture.height // 6 + 1))
            smooth = small.resize(picture.size, Image.Resampling.BICUBIC)
            ImageOps.posterize(smooth, 4).save(buffer, "PNG")
    return kind, buffer.getvalue()


def statistics(pictures: list[Path]) -> str:
    """What the corpus is like, in three lines."""
    sizes = np.array([path.stat().st_size for path in pictures])
    areas, n_progressive = [], 0
    for path in pictures:
        with Image.open(path) as image:
            areas.append(image.width * image.height / 1e6)
            n_progressive += "progressive" in image.info
    n = len(pictures)
    kinds = {kind: sum(path.suffix == f".{kind}" for path in pictures) for kind, _ in KINDS}
    shares = ", ".join(f"{kind} {100 * count / n:.0f} %" for kind, count in kinds.items())
    return (
        f"{n:,} pictures, {sizes.sum() / 1e6:.0f} MB: {shares}; "
        f"of the JPEGs progressive {100 * n_progressive / max(1, kinds['jpg']):.0f} %\n"
        f"kB: mean {sizes.mean() / 1e3:.0f}, median {np.median(sizes) / 1e3:.0f}, "
        f"p95 {np.percentile(sizes, 95) / 1e3:.0f}\n"
        f"MP: mean {np.mean(areas):.2f}, median {np.median(areas):.2f}, "
        f"p95 {np.percentile(areas, 95):.2f}"
    )


def main() -> None:
    """Make the corpus, print what it is like."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_corpus_options(parser)
    args = parser.parse_args()
    print(statistics(corpus(args.corpus, args.n, args.photos)))


if __name__ == "__main__":
    main()
