"""What lies in a shards folder: file names, members, and the JSON of a sample.

A sample is three tar members that share a key: KEY.jpg (or webp, png: one for the whole dataset),
KEY.json, KEY.txt. Why they look as they do: HF datasets takes its columns from the first five
samples alone and turns 0.5 into 0 where it first met an int, so every JSON has the same keys in
the same order with the same types and no null; webdataset cuts a name at its first dot, so a key
has none.
"""

import re

import msgspec

MANIFEST = "manifest.json"
SIZES = "sizes.json"
CARD = "README.md"
CROISSANT = "croissant.json"
PURGED = "purged.jsonl"
"""What `webpairs purge` has removed, see `purged.py`."""
PURGE_JOURNAL = "purge.json"
"""There from the moment a purge begins to replace files until all of them are replaced."""

KEY_PATTERN = r"^[0-9a-z]+$"


class SampleJson(msgspec.Struct, frozen=True, kw_only=True):
    """The KEY.json of a sample, and a row of the shard's Parquet sidecar. Nothing here is a
    time."""

    key: str
    """32 hex."""
    url: str
    caption: str
    """Equal to KEY.txt."""
    other_captions: str = ""
    """Texts of near duplicates that went, one a line; empty without `dedup.keep_texts`."""
    status: str = "success"
    """img2dataset's word; a shard holds no failure."""
    text_source: str
    page_url: str
    page_lang: str
    """The page's own claim; empty when it makes none."""
    lang: str
    """The detector's word; empty when no language filter ran."""
    lang_score: float
    """0 to 1, four decimals."""
    host: str
    """Registrable domain of the image's URL."""
    width: int
    """Pixels of the image in the shard."""
    height: int
    original_width: int
    """Pixels of the image as it was received."""
    original_height: int
    sha256: str
    """Of the bytes received, 64 hex."""
    phash: str
    """64-bit perceptual hash, 16 hex, as imagehash prints it."""
    license_url: str
    optout: str
    """Signals seen on the page and the image, each `signal:value@where`, joined by spaces."""
    extra: str
    """Columns of the table that the pair came from, as one JSON object; empty for none."""


def encode_json(sample: SampleJson) -> bytes:
    """The bytes of KEY.json: UTF-8, fields in the order above, floats with a decimal point."""
    return msgspec.json.encode(sample)


def shard_stem(number: int) -> str:
    """The name of a shard without its ending, e.g. `shard-000012`."""
    return f"shard-{number:06d}"


def is_file_of_a_dataset(name: str) -> bool:
    """Whether a folder of shards can hold a file of this name."""
    is_shard = re.fullmatch(r"shard-\d{6,}\.(tar|idx|parquet)", name)
    return is_shard is not None or name in (MANIFEST, SIZES, CARD, CROISSANT, PURGED)


def member_extensions(image_format: str) -> tuple[str, str, str]:
    """The endings of a sample's members in the order they stand in the tar: alphabetical."""
    first, second, third = sorted((image_format, "json", "txt"))
    return first, second, third
