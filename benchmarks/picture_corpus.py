"""A corpus of web pictures: about 0.66 MP and at most 1.6 bits a pixel where a quality allows; 83 %
JPEG (a third of those progressive), 8 % PNG, 10 % WebP.

The pictures are drawn, or cut from the photographs of a folder. Drawn ones have what makes decoders
work: the 1/f spectrum of natural scenes (Field 1987), hard edges, fine lines and sensor noise.
"""

import math
from collections.abc import Iterator
from io import BytesIO
from itertools import cycle
from pathlib import Path
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
from PIL import Image, ImageDraw

SEED = 1
_MEDIAN_MP, _SIGMA = 0.45, 0.95
"""Of the lognormal sizes; PNGs are halved after that, so that the mean is about 0.66."""
_BITS_PER_PIXEL = 1.6


class WebPicture(msgspec.Struct, frozen=True):
    """One file of the corpus."""

    kind: str
    data: bytes
    width: int
    height: int


def corpus(n: int, folder: Path | None) -> Iterator[WebPicture]:
    """`n` files, always the same ones."""
    rng = np.random.default_rng(SEED)
    sources = cycle(sorted(folder.rglob("*.jpg"))) if folder else None
    # The quantiles of the sizes, shuffled: draws would give each corpus another mean.
    normal = NormalDist(math.log(_MEDIAN_MP), _SIGMA)
    sizes = [math.exp(normal.inv_cdf((i + 0.5) / n)) for i in range(n)]
    rng.shuffle(sizes)
    for i, drawn_size in enumerate(sizes):
        megapixels = min(max(drawn_size, 0.08), 6)
        aspect = float(rng.choice([1.0, 4 / 3, 3 / 2, 16 / 9, 3 / 4]))
        width, height = (round((megapixels * 1e6 * a) ** 0.5) for a in (aspect, 1 / aspect))
        if sources is None:
            picture = drawn(rng, width, height)
        else:
            with Image.open(next(sources)) as image:
                picture = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        yield _encoded(picture, i, rng)


def drawn(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A picture with the spectrum of a photograph, and things with edges in it."""
    fy, fx = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    falloff = 1 / np.maximum(np.hypot(fx, fy), 1 / max(width, height)) ** 1.15
    planes = []
    for gain in (1.0, 0.35, 0.35):  # colour varies less than light
        phase = np.exp(2j * np.pi * rng.random(falloff.shape))
        plane = np.fft.irfft2(falloff * phase, s=(height, width))
        planes.append(gain * plane / plane.std())
    light, red, blue = planes
    colour = np.stack([light + red, light, light + blue], axis=-1) * 42 + 120
    image = Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8))
    brush = ImageDraw.Draw(image)
    for _ in range(14):
        x, y = rng.random(2) * (width, height)
        corners = rng.random((4, 2)) * (width / 4, height / 4) + (x, y)
        tint = tuple(int(v) for v in rng.integers(0, 256, 3))
        brush.polygon([tuple(map(float, c)) for c in corners], fill=tint)
        brush.line([(x, y), tuple(rng.random(2) * (width, height))], fill=tint[::-1], width=2)
    grain = rng.normal(0, 2.5, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def _encoded(picture: Image.Image, i: int, rng: np.random.Generator) -> WebPicture:
    draw = rng.random()
    kind = "JPEG" if draw < 0.83 else "PNG" if draw < 0.905 else "WEBP"
    options: dict[str, Any] = {}
    if kind == "JPEG":
        options = {"progressive": i % 3 == 0, "optimize": i % 3 == 0}
        options |= {"subsampling": 0 if i % 7 == 0 else 2}
    if kind == "PNG":  # screenshots and drawings, mostly: few colours, large areas
        picture = picture.resize((max(1, picture.width // 2), max(1, picture.height // 2)))
        picture = picture.quantize(64).convert("RGB") if i % 2 else picture
        data = _saved(picture, kind, options)
    else:
        for quality in (92, 86, 80, 70, 60):
            data = _saved(picture, kind, options | {"quality": quality})
            if len(data) * 8 <= _BITS_PER_PIXEL * picture.width * picture.height:
                break
    return WebPicture(kind, data, picture.width, picture.height)


def _saved(picture: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
