"""One downloaded image: check it, decode it, turn it upright, hash it, resize it, encode it.

`process_image` is pure and guarded, but a decoder can still crash or eat memory: bytes from the web
go through `decode_pool`, never straight in here. What can be judged from the header is judged
before a pixel is decoded (0.05 ms against 5 ms). Nothing but pixels reaches the output: no EXIF (it
may hold a location), no comments, no colour profile (colours are converted to sRGB instead). What
the file says about its rights is read before that.
"""

import struct
import warnings
import zlib
from contextlib import suppress
from io import BytesIO
from typing import Any

import imagehash
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from webpairs_core.records import Outcome
from webpairs_shards.options import ImageSection
from webpairs_shards.processed import Processed
from webpairs_shards.rights import EXIF_ARTIST, EXIF_COPYRIGHT, read_rights
from webpairs_shards.sniff import SNIFF_BYTES, sniff

_MALFORMED = (
    UnidentifiedImageError,
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

_REDUCING_GAP = 2.0
"""LANCZOS after a cheap integer reduction: 59.7 dB from plain LANCZOS at a quarter less CPU."""
_PILLOW_FORMAT = {"jpg": "JPEG", "webp": "WEBP", "png": "PNG"}
_WHITE = (255, 255, 255)
_SRGB = ImageCms.createProfile("sRGB")


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
                return _judge(image, (data, kind), section)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            return Processed(outcome=Outcome.TOO_MANY_PIXELS)
        except _MALFORMED:
            return Processed(outcome=Outcome.CORRUPT)


def _judge(image: Image.Image, file: tuple[bytes, str], section: ImageSection) -> Processed:
    width, height = image.size
    reason = _reject(width, height, section)
    if reason is not None:
        return Processed(outcome=reason, original_width=width, original_height=height)
    try:
        image.load()
        picture = _to_rgb(_upright(image))
    except _MALFORMED:
        return Processed(outcome=Outcome.CORRUPT, original_width=width, original_height=height)
    rights = read_rights(*file, image.info, _exif(image))  # _encode may clear image.info
    small = _to_srgb(_resize(picture, section), image)
    return Processed(
        outcome=Outcome.OK,
        data=_encode(small, section),
        width=small.width,
        height=small.height,
        original_width=width,
        original_height=height,
        phash=int(str(imagehash.phash(picture)), 16),
        rights=rights,
    )


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


def _upright(image: Image.Image) -> Image.Image:
    orientation = _exif(image).get(_ORIENTATION)
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _exif(image: Image.Image) -> dict[int, Any]:
    """The tags that we read. A broken one is left out: it does not break the picture."""
    tags: dict[int, Any] = {}
    for tag in (_ORIENTATION, EXIF_ARTIST, EXIF_COPYRIGHT):
        with suppress(*_MALFORMED):
            tags[tag] = image.getexif().get(tag)
    return tags


def _to_rgb(image: Image.Image) -> Image.Image:
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


def _to_srgb(picture: Image.Image, source: Image.Image) -> Image.Image:
    """Colours as a browser shows them. After the resize, where it costs under a millisecond."""
    if source.mode in ("RGB", "RGBA", "P"):
        return _through_profile(picture, source.info.get("icc_profile")) or picture
    return picture


def _through_profile(image: Image.Image, profile: Any) -> Image.Image | None:
    """The picture in sRGB by its own ICC profile; None if it has none or one that does not fit."""
    if not isinstance(profile, bytes) or not profile:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.profileToProfile(image, opened, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, *_MALFORMED):
        return None


def _resize(picture: Image.Image, section: ImageSection) -> Image.Image:
    """img2dataset's words, with one difference: pixels are never invented. A picture smaller than
    asked keeps its size (center_crop: its shorter side; border: white bars are still added).
    """
    size = section.size_px
    match section.resize:
        case "none":
            return picture
        case "keep_ratio":
            return _shrunk(picture, min(picture.size), size)
        case "keep_ratio_largest":
            return _shrunk(picture, max(picture.size), size)
        case "center_crop":
            small = _shrunk(picture, min(picture.size), size)
            side = min(small.size)
            left, top = (small.width - side) // 2, (small.height - side) // 2
            return small.crop((left, top, left + side, top + side))
        case "border":
            small = _shrunk(picture, max(picture.size), size)
            canvas = Image.new("RGB", (size, size), _WHITE)
            canvas.paste(small, ((size - small.width) // 2, (size - small.height) // 2))
            return canvas


def _shrunk(picture: Image.Image, side: int, size: int) -> Image.Image:
    """The picture scaled so that `side` (px, one of its sides) becomes `size`, if smaller."""
    if side <= size:
        return picture
    scale = size / side
    new = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(new, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)


def _encode(picture: Image.Image, section: ImageSection) -> bytes:
    picture.info.clear()  # Pillow's writers copy comments and profiles from here
    buffer = BytesIO()
    options = {} if section.format == "png" else {"quality": section.quality}
    picture.save(buffer, _PILLOW_FORMAT[section.format], **options)
    return buffer.getvalue()
