"""Encoded images → squares of pixels.

Cut and scale are one `resize` with a box: no intermediate picture. For training, JPEGs are decoded
at the smallest DCT scale that is large enough (Pillow's `draft`), which is several times faster and
changes pixels slightly; evaluation decodes in full.
"""

import io
import math
import random
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""RGB, (side, side, 3)."""
Box = tuple[float, float, float, float]

DAMAGED = (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError)
"""What Pillow raises on bytes that are no sound image."""


def decode(data: bytes, min_side: int | None = None) -> Image.Image:
    """An RGB image, transparency on white; a JPEG is scaled down as far as its sides stay at least
    `min_side` pixels. Raises one of DAMAGED."""
    image = Image.open(io.BytesIO(data))
    if min_side is not None:
        image.draft("RGB", (min_side, min_side))
    image.load()
    if image.mode == "RGB":
        return image
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA"):
        alpha = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, alpha).convert("RGB")
    return image.convert("RGB")


def centre_square(image: Image.Image, side: int) -> Pixels:
    """The evaluation transform: the shorter side scaled to `side`, the middle kept."""
    width, height = image.size
    short = min(width, height)
    left, top = (width - short) / 2, (height - short) / 2
    return cut(image, (left, top, left + short, top + short), side)


def random_square(image: Image.Image, side: int, min_share: float, rng: random.Random) -> Pixels:
    """The training transform: a square of at least `min_share` of the area of the largest one, at a
    random place (the paper's only augmentation)."""
    width, height = image.size
    edge = min(width, height) * math.sqrt(rng.uniform(min_share, 1))
    left, top = rng.uniform(0, width - edge), rng.uniform(0, height - edge)
    return cut(image, (left, top, left + edge, top + edge), side)


def cut(image: Image.Image, box: Box, side: int) -> Pixels:
    """Scale a box of the image to (side, side, 3)."""
    scaled = image.resize((side, side), Image.Resampling.BICUBIC, box=box)
    return np.asarray(scaled)
