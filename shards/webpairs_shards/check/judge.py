"""What must be true of one sample of webpairs' own, whatever shard it lies in: its key, caption,
JSON and image."""

import io
import re
import unicodedata
from collections.abc import Iterator

import msgspec
from PIL import Image

from webpairs_core.records import TextSource
from webpairs_shards.check.pictures import BROKEN, Opinion, judge_picture
from webpairs_shards.format.layout import KEY_PATTERN, SampleJson, encode_json
from webpairs_shards.image.sniff import SNIFF_BYTES, sniff
from webpairs_shards.options import PILLOW_FORMAT


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """A sample as it stands in the tar."""

    key: str
    image: bytes
    json: bytes
    text: bytes
    offsets: tuple[int, int, int]
    """Where the data of image, JSON and caption start in the tar, in bytes."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Bytes of image, JSON and caption."""
        return len(self.image), len(self.json), len(self.text)


def judge_sample(sample: Members, image_format: str, *, quick: bool) -> Iterator[Opinion]:
    """Yield each fault of a sample; with `quick` its image is read no further than its header."""
    if not re.fullmatch(KEY_PATTERN, sample.key):
        yield Opinion("bad_key")
    yield from _judge_caption(sample.text)
    try:
        json = msgspec.json.decode(sample.json, type=SampleJson)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        yield Opinion("json_broken", f"damaged or of another version: {error}")
        return
    if encode_json(json) != sample.json:
        yield Opinion("json_form", "other fields, another order or other types than it should")
    if json.key != sample.key:
        yield Opinion("json_disagrees", f"it belongs to {json.key}")
    if json.caption.encode() != sample.text:
        yield Opinion("json_disagrees", "it has another caption than the txt")
    if not json.caption.strip() and json.text_source != TextSource.TABLE:
        yield Opinion("empty_caption")
    yield from _judge_extra(json.extra)
    yield from _judge_image(sample.image, image_format, (json.width, json.height), quick)


def _judge_caption(text: bytes) -> Iterator[Opinion]:
    try:
        caption = text.decode()
    except UnicodeDecodeError as error:
        yield Opinion("caption_not_utf8", str(error))
        return
    if not unicodedata.is_normalized("NFC", caption):
        yield Opinion("caption_form", "it is not in Unicode NFC")
    if "\n" in caption or "\0" in caption:
        yield Opinion("caption_form", "it has a line break or a NUL")


def _judge_extra(extra: str) -> Iterator[Opinion]:
    try:
        is_object = not extra or isinstance(msgspec.json.decode(extra), dict)
    except msgspec.DecodeError:
        is_object = False
    if not is_object:
        yield Opinion("json_form", "its extra is no JSON object")


def _judge_image(
    data: bytes, image_format: str, size: tuple[int, int], quick: bool
) -> Iterator[Opinion]:
    kind = PILLOW_FORMAT[image_format]
    if sniff(data[:SNIFF_BYTES]) != kind:
        yield Opinion("image_broken", f"it is no {kind}")
        return
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            found = image.size
    except BROKEN:
        pass  # judge_picture says so
    else:
        if found != size:
            yield Opinion("json_disagrees", f"the image has {found} pixels, the JSON says {size}")
    yield from judge_picture(data, image_format, quick=quick)
