"""Image files for tests: written, read back, and of kinds that Pillow does not write."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file of Pillow's `kind`."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    """The values of a file that must be RGB: height x width x 3."""
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        return np.asarray(image).astype(int)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """sRGB with the red and green primaries exchanged: their tags in the profile swap names."""
    data = srgb_profile()
    return data.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")


def png_chunk(name: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + checksum


def png_head(width: int, height: int, depth: int = 8, colour_type: int = 2) -> bytes:
    """The start of a PNG file, up to and with its header; by default 8 bits of RGB."""
    fields = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", fields)
