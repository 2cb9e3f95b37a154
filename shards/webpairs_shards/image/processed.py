"""What became of the bytes of one image. Apart from `image`, so that a process which only passes
results on does not import Pillow, numpy and imagehash."""

import msgspec

from webpairs_core.records import Outcome


class Rights(msgspec.Struct, frozen=True):
    """What a file says about its rights; empty where it says nothing. At most 300 characters each.

    Read by `webpairs_shards.image.rights`.
    """

    creator: str = ""
    copyright: str = ""
    license: str = ""
    """The URL of a licence or of the web statement of rights, else the usage terms."""
    signals: tuple[str, ...] = ()
    """Opt-out signals, sorted, each `name:value@image`."""


class Processed(msgspec.Struct, frozen=True, kw_only=True):
    """The stored picture, or why there is none."""

    outcome: Outcome
    data: bytes = b""
    """The encoded picture; empty unless the outcome is ok."""
    width: int = 0
    """Pixels of the encoded picture."""
    height: int = 0
    original_width: int = 0
    """Pixels as the file stores them, before EXIF orientation; 0 when the header was unreadable."""
    original_height: int = 0
    phash: int = 0
    """64 bits: `imagehash.phash` of the picture upright, on white, in sRGB and shrunk, before crop
    or border, row by row, first bit highest: `f"{phash:016x}" == str(imagehash.phash(picture))`."""
    contrast: float = 0.0
    """Of that picture: the standard deviation of its grey values, 0 to 255, at 32 x 32 pixels."""
    format: str = ""
    """What the bytes received are: jpeg, png, gif, webp, bmp, avif."""
    is_animated: bool = False
    """Whether the file holds more frames than the first, which is the one stored."""
    rights: Rights = Rights()
    """Of the file as it was received; only read when the outcome is ok."""
