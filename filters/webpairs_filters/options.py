"""The recipe section `[dedup]`."""

from typing import Annotated

import msgspec
from msgspec import Meta


class DedupSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which duplicates go."""

    url_text: bool = True
    """Keep one pair for each (canonical URL, normalised text). `false` keeps every place where it
    was found as a candidate of its own, each with a key of its own (set near_duplicate_distance to
    -1 too, or their equal images go later)."""
    near_duplicate_distance: Annotated[int, Meta(ge=-1, le=8)] = 4
    """Hamming distance of 64-bit pHashes up to which two images are one; -1 keeps all."""
