"""One downloaded image: check it, decode it, turn it upright, hash it, resize it, encode it.

`process_image` is pure and guarded, but a decoder can still crash or eat memory: bytes from the web
go through `decode_pool`, never straight in here. What can be judged from the header is judged
before a pixel is decoded (0.05 ms against 5 ms). Nothing but pixels reaches the output: no EXIF (it
may hold a location), no comments, no colour profile (colours are converted to sRGB instead). What
the file says about its rights is read before that.
"""

import warnings
from contextlib import suppress
from io import BytesIO
from typing import Any

from PIL import Image

from webpairs_core.records import Outcome
from webpairs_shards.image import jpeg
from webpairs_shards.image.colours import MALFORMED, to_rgb, to_srgb
from webpairs_shards.image.phash import look_at
from webpairs_shards.image.processed import Processed
from webpairs_shards.image.resize import frame, shrink, shrunk_size
from webpairs_shards.image.rights import EXIF_ARTIST, EXIF_COPYRIGHT, read_rights
from webpairs_shards.image.sniff import SNIFF_BYTES, sniff
from webpairs_shards.image.strip import stripped
from webpairs_shards.options import PILLOW_FORMAT, ImageSection

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation (CIPA DC-008, tag 0x0112)."""


def process_image(data: bytes, section: ImageSection) -> Processed:
    """Make the stored picture from downloaded bytes, or say why there is none.

    Outcomes: ok, not_image, corrupt, too_many_pixels, side_too_short, aspect_too_long. Equal input
    gives equal bytes. Raises MemoryError only.
    """
    kind = sniff(data[:SNIFF_BYTES])
    if kind is None:
        return Processed(outcome=Outcome.NOT_IMAGE)
    Image.MAX_IMAGE_PIXELS = section.max_pixels  # Pillow checks later frames against it, too
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(data), formats=(kind,)) as image:
                return _judge(image, data, kind, section)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            return Processed(outcome=Outcome.TOO_MANY_PIXELS)
        except MALFORMED:
            return Processed(outcome=Outcome.CORRUPT)


def _judge(image: Image.Image, data: bytes, kind: str, section: ImageSection) -> Processed:
    width, height = image.size
    reason = _reject(width, height, section)
    if reason is not None:
        return Processed(outcome=reason, original_width=width, original_height=height)
    is_animated = _is_animated(image, kind)
    try:
        small, is_whole = _decoded(image, data, kind, section)
    except MALFORMED:
        return Processed(outcome=Outcome.CORRUPT, original_width=width, original_height=height)
    exif = _exif(image)
    orientation = exif.get(_ORIENTATION)
    small = to_srgb(_upright(small, orientation), image)
    stored = frame(small, section)
    look = look_at(small)
    kept = None
    is_upright = orientation in (None, 0, 1)
    if is_whole and is_upright and not is_animated and stored.size == (width, height):
        kept = _as_received(image, data, kind, section)
    return Processed(
        outcome=Outcome.OK,
        data=kept or _encode(stored, section),
        width=stored.width,
        height=stored.height,
        original_width=width,
        original_height=height,
        is_animated=is_animated,
        phash=look.phash,
        contrast=look.contrast,
        format=kind.lower(),
        rights=read_rights(data, kind, image.info, exif),
    )


def _decoded(
    image: Image.Image, data: bytes, kind: str, section: ImageSection
) -> tuple[Image.Image, bool]:
    """The picture as 8-bit RGB, shrunk, not yet upright; and whether no decoder had a remark."""
    size = shrunk_size(image.size, section)
    if kind == "JPEG" and image.mode in ("RGB", "L"):
        small = jpeg.decode_small(data, image.size, size, section)
        if small is not None:
            return small, True
    image.load()
    return shrink(to_rgb(image), size, section), kind != "JPEG"


def _is_animated(image: Image.Image, kind: str) -> bool:
    """Whether there is a second frame: said in the header, or for GIF by the start of that frame.

    A JPEG with more pictures (MPO: stereo, gain maps) is none.
    """
    if kind not in ("GIF", "PNG", "WEBP", "AVIF"):
        return False
    with suppress(*MALFORMED):
        return bool(getattr(image, "is_animated", False))
    return False


def _as_received(image: Image.Image, data: bytes, kind: str, section: ImageSection) -> bytes | None:
    """The bytes received, without metadata, where encoding anew would only lose; else None."""
    if section.reencode == "always" or kind != PILLOW_FORMAT[section.format]:
        return None
    if image.mode != "RGB" or image.has_transparency_data or "icc_profile" in image.info:
        return None
    return stripped(data, kind)


def _reject(width: int, height: int, section: ImageSection) -> Outcome | None:
    """The verdict of the header. Orientation does not matter here: sides only swap."""
    short, long = sorted((width, height))
    if short < 1:
        return Outcome.CORRUPT
    if width * height > section.max_pixels:
        return Outcome.TOO_MANY_PIXELS
    if short < section.min_side_px:
        return Outcome.SIDE_TOO_SHORT
    if long > section.max_aspect * short:
        return Outcome.ASPECT_TOO_LONG
    return None


def _upright(picture: Image.Image, orientation: Any) -> Image.Image:
    """After the resize, where there are fewer pixels to move: LANCZOS has no direction."""
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return picture if method is None else picture.transpose(method)


def _exif(image: Image.Image) -> dict[int, Any]:
    """The tags that we read. A broken one is left out: it does not break the picture."""
    found = Image.Exif()  # not getexif(): that takes an orientation from XMP, which browsers ignore
    with suppress(*MALFORMED):
        found.load(image.info.get("exif", b""))
    tags: dict[int, Any] = {}
    for tag in (_ORIENTATION, EXIF_ARTIST, EXIF_COPYRIGHT):
        with suppress(*MALFORMED):
            tags[tag] = found.get(tag)
    return tags


def _encode(picture: Image.Image, section: ImageSection) -> bytes:
    if section.format == "jpg":
        return jpeg.encode(picture, section.quality)
    picture.info.clear()  # Pillow's writers copy comments and profiles from here
    buffer = BytesIO()
    options = {}
    if section.format == "webp":
        options = {"quality": section.quality, "method": section.effort}
    picture.save(buffer, PILLOW_FORMAT[section.format], **options)
    return buffer.getvalue()
