"""The recipe sections of the shards room: `[image]` and `[shards]`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Resize = Literal["none", "keep_ratio", "keep_ratio_largest", "center_crop", "border"]
ImageFormat = Literal["jpg", "webp", "png"]


class ImageSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which images are good enough, and how they are stored. Resize words are img2dataset's."""

    min_side_px: Annotated[int, Meta(ge=1)] = 200
    max_aspect: Annotated[float, Meta(ge=1)] = 3.0
    """Longer side over shorter side."""
    max_pixels: Annotated[int, Meta(ge=1)] = 89_478_485
    """Pillow's own limit against decompression bombs."""
    resize: Resize = "keep_ratio"
    """none; keep_ratio: shorter side = size_px; keep_ratio_largest: longer side = size_px;
    center_crop: a square from the middle; border: a square with white bars."""
    size_px: Annotated[int, Meta(ge=1, le=4096)] = 256
    format: ImageFormat = "jpg"
    quality: Annotated[int, Meta(ge=1, le=100)] = 90


class ShardsSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How samples are cut into shards."""

    samples_per_shard: Annotated[int, Meta(ge=1)] = 10_000
