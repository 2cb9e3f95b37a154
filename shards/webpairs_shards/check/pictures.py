"""Whether an image decodes: in full, or its header only."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

from webpairs_shards.image.sniff import SNIFF_BYTES, sniff

MAX_PIXELS = 178_956_970
"""Pillow's own limit: beyond it `Image.open` fails, so no reader gets such a picture."""
LARGE_PIXELS = 25_000_000
ENDINGS = {
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "jfif": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "gif": "GIF",
    "bmp": "BMP",
    "avif": "AVIF",
}
"""The endings that are looked into, in lower case, and what they promise."""

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow raises on damaged pictures."""


class Opinion(NamedTuple):
    """Something about a picture: a key of KINDS, and the words for it."""

    kind: str
    detail: str = ""


def judge_picture(data: bytes, ending: str, *, quick: bool) -> Iterator[Opinion]:
    """Yield what is wrong or odd with the bytes of a picture whose name ends in `ending`.

    With `quick` its header alone is read: a picture that is cut later on passes.
    """
    kind = sniff(data[:SNIFF_BYTES])
    if kind is None:
        yield Opinion("image_broken", "is no JPEG, PNG, WebP, GIF, BMP or AVIF")
        return
    if ENDINGS.get(ending) not in (None, kind):
        yield Opinion("wrong_ending", f"is {kind}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata, and on half its limit
        try:
            with Image.open(io.BytesIO(data), formats=(kind,)) as image:
                n_pixels = image.width * image.height
                if n_pixels > LARGE_PIXELS:
                    yield Opinion("image_large", f"{n_pixels:,}")
                if not quick:
                    image.load()
        except Image.DecompressionBombError:
            yield Opinion("image_too_large")
        except BROKEN as error:
            yield Opinion("image_broken", f"{kind}: {error or type(error).__name__}")
