"""How near stored pictures are to the best that their originals give: PSNR against Pillow's whole
decode and LANCZOS at the stored size. Squared errors are pooled over all pictures, then one figure
is made of them: flat pictures do not lift a mean of decibels.
"""

import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from PIL import Image


class Fidelity(msgspec.Struct, frozen=True):
    """Of many pictures."""

    n: int
    psnr_db: float
    worst_db: float
    """The 5th percentile of the pictures' own."""
    mean_kb: float
    """Of the stored files."""


def reference(source: Path, size: tuple[int, int]) -> Image.Image:
    """The best picture of that size."""
    with Image.open(source) as image:
        whole = image.convert("RGB")
    return whole if whole.size == size else whole.resize(size, Image.Resampling.LANCZOS)


def squared_error(one: Image.Image, other: Image.Image) -> tuple[float, int]:
    """The sum over all values, and how many there are."""
    a: Any = np.asarray(one, dtype=np.float32)
    b: Any = np.asarray(other, dtype=np.float32)
    return float(((a - b) ** 2).sum(dtype=np.float64)), a.size


def psnr_db(error: float, n: int) -> float:
    """Of a sum of squared errors of 8-bit values."""
    return 10 * math.log10(255**2 * n / error) if error else math.inf


def fidelity(stored: Iterable[tuple[Path, bytes]]) -> Fidelity:
    """Of pairs of an original and what was stored of it."""
    errors, counts, sizes = [], [], []
    for source, data in stored:
        with Image.open(io.BytesIO(data)) as image:
            picture = image.convert("RGB")
        error, n = squared_error(picture, reference(source, picture.size))
        errors.append(error)
        counts.append(n)
        sizes.append(len(data))
    each = [psnr_db(error, n) for error, n in zip(errors, counts, strict=True)]
    return Fidelity(
        n=len(each),
        psnr_db=psnr_db(sum(errors), sum(counts)),
        worst_db=float(np.percentile(each, 5)),
        mean_kb=float(np.mean(sizes)) / 1e3,
    )
