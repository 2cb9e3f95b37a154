"""JPEG by libjpeg-turbo's own interface (simplejpeg): a fifth cheaper than through Pillow, silent,
and able to say that a file is not whole.

Only for files whose header Pillow has read and `image` has admitted. libjpeg's warnings are
refusals here; the caller asks Pillow then, which is more forgiving.
"""

import math

import numpy as np
import simplejpeg
from PIL import Image

from webpairs_shards.image.resize import Size, shrink, shrink_bytes
from webpairs_shards.options import ImageSection

_DECODED_OVER_STORED = {"faithful": 2.0, "fast": 1.0}
"""How much larger than the stored picture the scaled decode must be, at least: a DCT scaled to half
costs less, and less again to resize. Measured in docs/adr/0010-image-stage.md."""


def decode_small(data: bytes, old: Size, new: Size, section: ImageSection) -> Image.Image | None:
    """The picture, RGB, shrunk from `old` to `new`; None where libjpeg has anything to remark."""
    limits: dict[str, int] = {}
    gap = _DECODED_OVER_STORED.get(section.mode)
    if gap is not None and new != old:
        least_width, least_height = (math.ceil(side * gap) for side in new)
        limits = {"min_width": least_width, "min_height": least_height, "min_factor": 2}
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        if (width, height) != old:  # it would decode what the header's judge has not admitted
            return None
        pixels = simplejpeg.decode_jpeg(data, "RGB", **limits)
    except ValueError:
        return None
    if section.mode == "best":
        return shrink(Image.fromarray(pixels), new, section)
    return shrink_bytes(pixels.tobytes(), (pixels.shape[1], pixels.shape[0]), new, section)


def encode(picture: Image.Image, quality: int) -> bytes:
    """Baseline JPEG with colour at half size (4:2:0), as Pillow's own default is."""
    pixels = np.frombuffer(picture.tobytes(), np.uint8)
    shape = (picture.height, picture.width, 3)
    return bytes(
        simplejpeg.encode_jpeg(pixels.reshape(shape), quality=quality, colorsubsampling="420")
    )
