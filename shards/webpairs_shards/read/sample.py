"""What a reader gives: a sample, or why there is none."""

import msgspec


class RawSample(msgspec.Struct, frozen=True, gc=False):
    """One sample as it lies in the tar."""

    key: str
    """32 hex; of tars of others, the name up to its first dot, folders included: no file name."""
    image: bytes
    """Encoded: jpg, webp or png; of others, anything."""
    text: str
    """The caption."""
    json: bytes
    """UTF-8, see `webpairs_shards.format.layout.SampleJson`; empty where others have none."""


class BrokenSample(msgspec.Struct, frozen=True, gc=False):
    """A sample that cannot be used, and why."""

    shard: str
    key: str
    reason: str
    """checksum, cut_short, missing_tar, unreadable, not_utf8, no_image, no_caption; of decoded ones
    also not_image."""
    sentence: str
