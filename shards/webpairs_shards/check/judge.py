"""What must be true of one sample, whatever shard it lies in: its key, caption, JSON and image."""

import io
import re
import struct
import unicodedata
import zlib
from collections.abc import Iterator

import msgspec
from PIL import Image

from webpairs_core.records import TextSource
from webpairs_shards.format.layout import KEY_PATTERN, SampleJson, encode_json
from webpairs_shards.options import PILLOW_FORMAT

_BROKEN = (OSError, SyntaxError, ValueError, IndexError, struct.error, zlib.error)
"""What Pillow raises on a damaged JPEG, WebP or PNG."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a folder of shards."""

    shard: str
    """Its name without an ending; or the file that describes the folder."""
    key: str
    """The sample; empty where the shard as a whole is meant."""
    sentence: str


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """A sample as `tarfile` finds it."""

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


def judge_sample(sample: Members, image_format: str) -> Iterator[str]:
    """Yield a sentence for each fault of a sample."""
    if not re.fullmatch(KEY_PATTERN, sample.key):
        yield "the key has other characters than 0-9 and a-z"
    yield from _judge_caption(sample.text)
    try:
        json = msgspec.json.decode(sample.json, type=SampleJson)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        yield f"the JSON is damaged or of another version: {error}"
        return
    if encode_json(json) != sample.json:
        yield "the JSON has other fields, another order or other types than it should"
    if json.key != sample.key:
        yield f"the JSON belongs to {json.key}"
    if json.caption.encode() != sample.text:
        yield "the JSON has another caption than the txt"
    if not json.caption.strip() and json.text_source != TextSource.TABLE:
        yield "the caption is empty"
    yield from _judge_extra(json.extra)
    yield from _judge_image(sample.image, image_format, (json.width, json.height))


def _judge_caption(text: bytes) -> Iterator[str]:
    try:
        caption = text.decode()
    except UnicodeDecodeError as error:
        yield f"the caption is not UTF-8: {error}"
        return
    if not unicodedata.is_normalized("NFC", caption):
        yield "the caption is not in Unicode NFC"
    if "\n" in caption or "\0" in caption:
        yield "the caption has a line break or a NUL"


def _judge_extra(extra: str) -> Iterator[str]:
    try:
        is_object = not extra or isinstance(msgspec.json.decode(extra), dict)
    except msgspec.DecodeError:
        is_object = False
    if not is_object:
        yield "the JSON's extra is no JSON object"


def _judge_image(data: bytes, image_format: str, size: tuple[int, int]) -> Iterator[str]:
    try:
        with Image.open(io.BytesIO(data), formats=[PILLOW_FORMAT[image_format]]) as image:
            if image.size != size:
                yield f"the image has {image.size} pixels, the JSON says {size}"
            else:
                image.load()
    except _BROKEN as error:
        yield f"the image does not decode as {image_format}: {error}"
