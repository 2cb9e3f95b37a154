"""Any mode that Pillow decodes to, as 8-bit sRGB on white."""

import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

MALFORMED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on broken files. Another kind kills the worker, which is counted."""

_WHITE = (255, 255, 255)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as 8-bit RGB on white. 16 bits are scaled (Pillow's own convert would clip them)."""
    if image.mode.startswith(("I", "F")):
        return _scaled_to_8_bit(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, (*_WHITE, 255))
        return Image.alpha_composite(canvas, layer).convert("RGB")
    if image.mode == "CMYK":
        return _through_profile(image, image.info.get("icc_profile")) or image.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _scaled_to_8_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.dtype.kind != "u":
        values = np.clip(values, 0, 0xFFFF).astype(np.uint16)
    return Image.fromarray((values >> 8).astype(np.uint8), "L").convert("RGB")


def to_srgb(picture: Image.Image, source: Image.Image) -> Image.Image:
    """Colours as a browser shows them. After the resize, where it costs under a millisecond."""
    if source.mode in ("RGB", "RGBA", "P"):
        return _through_profile(picture, source.info.get("icc_profile")) or picture
    return picture


def _through_profile(image: Image.Image, profile: Any) -> Image.Image | None:
    """The picture in sRGB by its own ICC profile; None if it has none or one that does not fit."""
    if not isinstance(profile, bytes) or not profile:
        return None
    from PIL import ImageCms  # lcms2: few pictures need it

    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.profileToProfile(image, opened, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, *MALFORMED):
        return None


@cache
def _srgb() -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB")
