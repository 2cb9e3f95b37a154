"""Encoded images → squares of pixels for training, as fast as their bytes allow.

A JPEG is decoded at the smallest fast DCT scale that leaves the crop as large as asked, then
scaled by fast_image_resize (bicubic with antialiasing, as Pillow's): the resample is what costs
most in the usual loaders. Scaled decoding changes pixels slightly, so evaluation decodes in full.
"""

import io
import math
import random
import struct

import numpy as np
import numpy.typing as npt
import simplejpeg
from cykooz_resizer import FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
from PIL import Image

Pixels = npt.NDArray[np.uint8]
"""RGB, (height, width, 3)."""

DAMAGED = (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError)
"""What the decoders raise on bytes that are no sound image."""
MAX_PIXELS = 178_956_970
"""Pillow refuses more; so do we where it is not asked."""
_BICUBIC = ResizeOptions(
    resize_alg=ResizeAlg.convolution(FilterType.catmull_rom),
    use_alpha=False,
)
_RESIZER = Resizer()
_JPEG = b"\xff\xd8\xff"
_LARGEST_SCALE = 0.5
"""libjpeg-turbo scales to 5/8, 6/8 and 7/8 without SIMD: 192 of 256 px takes half as long again
as all 256."""
_WHITE = (255, 255, 255, 255)


def random_square(data: bytes, side: int, min_share: float, rng: random.Random) -> Pixels:
    """A square of at least `min_share` of the area of the largest one, at a random place, scaled to
    (side, side, 3). CLIP's only augmentation. Raises one of DAMAGED."""
    width, height = _size(data)
    edge = min(width, height) * math.sqrt(rng.uniform(min_share, 1))
    pixels = _decode(data, (width, height), side / edge)
    # The decoder may have scaled down: all places are shares of the picture.
    scale = min(pixels.shape[1] / width, pixels.shape[0] / height)
    edge = max(1, min(round(edge * scale), *pixels.shape[:2]))
    left = round(rng.random() * (pixels.shape[1] - edge))
    top = round(rng.random() * (pixels.shape[0] - edge))
    return _resized(pixels[top : top + edge, left : left + edge], side)


def centre_square(data: bytes, side: int) -> Pixels:
    """The evaluation transform: decoded in full, the middle square scaled to (side, side, 3).
    Raises one of DAMAGED."""
    pixels = _decode(data, _size(data), None)
    height, width = pixels.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    return _resized(pixels[top : top + edge, left : left + edge], side)


def _size(data: bytes) -> tuple[int, int]:
    if data.startswith(_JPEG):
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    else:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f"{width} × {height} pixels")
    return width, height


def _decode(data: bytes, size: tuple[int, int], scale: float | None) -> Pixels:
    """In full, or at the smallest size that is at least `scale` times the original."""
    if data.startswith(_JPEG):
        limits: dict[str, int] = {}
        if scale is not None and scale <= _LARGEST_SCALE:
            least_width, least_height = (math.ceil(side * scale) for side in size)
            limits = {"min_width": least_width, "min_height": least_height, "min_factor": 1}
        try:
            decoded: Pixels = simplejpeg.decode_jpeg(data, "RGB", **limits)
        except ValueError:
            pass  # CMYK, or damaged in a way that Pillow may forgive
        else:
            return decoded
    with Image.open(io.BytesIO(data)) as image:
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            alpha = image.convert("RGBA")
            white = Image.new("RGBA", alpha.size, _WHITE)
            return np.asarray(Image.alpha_composite(white, alpha).convert("RGB"))
        return np.asarray(image.convert("RGB"))


def _resized(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    if (height, width) == (side, side):
        return np.ascontiguousarray(pixels)
    source = ImageData(width, height, PixelType.U8x3, pixels.tobytes())
    target = ImageData(side, side, PixelType.U8x3)
    _RESIZER.resize(source, target, _BICUBIC)
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(side, side, 3)
