"""The recipe sections of the shards room: `[image]` and `[shards]`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Resize = Literal["none", "keep_ratio", "keep_ratio_largest", "center_crop", "border"]
ImageFormat = Literal["jpg", "webp", "png"]
PILLOW_FORMAT = {"jpg": "JPEG", "webp": "WEBP", "png": "PNG"}
"""The words of Pillow and of `sniff` for each of them."""
Mode = Literal["faithful", "fast", "best"]
Reencode = Literal["when_needed", "always"]


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
    mode: Mode = "faithful"
    """How near the stored pixels come to a full decode and Pillow's LANCZOS, before encoding
    (docs/adr/0010-image-stage.md). faithful: 48 dB; fast: JPEG decoded at the smallest
    scale that is large enough, 35 dB for a tenth less CPU; best: 60 dB, at twice the
    CPU."""
    format: ImageFormat = "jpg"
    quality: Annotated[int, Meta(ge=1, le=100)] = 90
    """Of jpg and webp. WebP at 85 is as near to the picture as JPEG at 90 in a fifth less."""
    effort: Annotated[int, Meta(ge=0, le=6)] = 0
    """Of webp only, libwebp's method. At quality 90, 0 takes 4.7 ms and 4 takes 11.3 ms for 3 %
    fewer bytes; at 80 these are 3.4 ms, 10.1 ms and 10 %."""
    reencode: Reencode = "when_needed"
    """when_needed: a file that fits the recipe as it is keeps its bytes, less all metadata; always:
    every picture is encoded at `quality`."""


class ShardsSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How samples are cut into shards."""

    samples_per_shard: Annotated[int, Meta(ge=1)] = 10_000
    """As few shards as this allows, all of the same number of samples to within one."""
    bytes_per_shard: Annotated[int, Meta(ge=0)] = 0
    """About how large a tar becomes; 0: `samples_per_shard` counts. It only decides how many shards
    there are: their numbers of samples stay equal, so the bytes are so on average."""
    validation: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    """The share of the samples that goes to OUT/validation instead of OUT/shards. Which ones is
    decided by their keys alone: a sample changes sides with no seed, no number of shards and no
    other sample; a larger share only moves some from training to validation."""
