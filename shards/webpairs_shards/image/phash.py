"""The perceptual hash of a picture: `imagehash.phash`, bit for bit, without importing scipy.

Its DCT is two products with a small matrix here; imagehash itself, which imports scipy for it, is
asked only where a coefficient lies so near the median that rounding could decide a bit.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

_SIDE, _KEPT = 32, 8
"""imagehash's highfreq_factor 4 times hash_size 8, and hash_size."""
_MARGIN = 1e-6
"""The largest coefficient is 4 * 32 * 32 * 255 = 1.04e6; doubles err there by about 1e-9."""


def _lowest_rows() -> npt.NDArray[np.float64]:
    """The first 8 rows of the DCT-II as scipy.fftpack.dct scales it: 2 cos(pi k (2n + 1) / 2N)."""
    k, n = np.ogrid[:_KEPT, :_SIDE]
    rows: npt.NDArray[np.float64] = 2 * np.cos(math.pi / (2 * _SIDE) * k * (2 * n + 1))
    return rows


_DCT = _lowest_rows()
_BITS = np.uint64(1) << np.arange(_KEPT * _KEPT - 1, -1, -1, dtype=np.uint64)


class Look(NamedTuple):
    """What a picture looks like, small and grey."""

    phash: int
    """64 bits, row by row, first bit highest: `f"{phash:016x}" == str(imagehash.phash(p))`."""
    contrast: float
    """Standard deviation of its 32 x 32 grey values (0 to 255); 0 for one colour."""


def phash(picture: Image.Image) -> int:
    """`Look.phash` of an RGB picture."""
    return look_at(picture).phash


def look_at(picture: Image.Image) -> Look:
    """Hash and contrast of an RGB picture of any size, by one resize."""
    grey = picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    values = np.asarray(grey, np.float64)
    low = (_DCT @ values @ _DCT.T).ravel()
    ordered = np.sort(low)
    middle = len(low) // 2
    median = (ordered[middle - 1] + ordered[middle]) / 2
    if np.abs(low - median).min() < _MARGIN:
        bits = _by_imagehash(grey)
    else:
        bits = int(_BITS[low > median].sum())
    return Look(bits, round(float(values.std()), 3))


def _by_imagehash(grey: Image.Image) -> int:
    import imagehash  # and scipy: for flat and symmetric pictures only

    return int(str(imagehash.phash(grey)), 16)
