"""The recipe section `[dedup]`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class DedupSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which duplicates go, and what the whole corpus shows too often."""

    by: Literal["url_text", "url", "none"] = "url_text"
    """What two pairs must share to be one: `url_text` the canonical URL and the normalised text
    (LAION-400M, COYO-700M), `url` the URL alone (MetaCLIP). Kept is the pair whose place comes
    first: by page, then by place on the page. `none` keeps every place where a pair was found as a
    candidate of its own, each with a key of its own (set near_duplicate_distance to -1 too, or
    their equal images go later)."""
    max_images_per_text: Annotated[int, Meta(ge=0)] = 0
    """A text that stands at more URLs than this describes none of them: its pairs go. ALIGN,
    COYO-700M and Wukong take 10. 0 is off. Counted are different (URL, text) of the whole run."""
    max_texts_per_image: Annotated[int, Meta(ge=0)] = 0
    """A URL with more texts than this is decoration: its pairs go. ALIGN takes 1,000. 0 is off.
    Counted like max_images_per_text, and before `by = "url"` leaves one text for each URL."""
    near_duplicate_distance: Annotated[int, Meta(ge=-1, le=8)] = 4
    """Hamming distance of 64-bit pHashes up to which two images are one; -1 keeps all."""
