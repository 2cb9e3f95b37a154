"""What a filter is: a frozen struct whose fields are its recipe section and whose one method names the
reason to reject a pair, or None. No memory, no I/O, no clock: what remembers is deduplication."""

from typing import ClassVar

import msgspec
import pyarrow as pa

from webpairs_core.records import Pair


class PairFilter(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="use", forbid_unknown_fields=True
):
    """Judges one pair by what its page says; runs before the image is fetched.

    `[[filters]]` / `use = "text_length"` / `min_chars = 5` in a recipe makes one.
    """

    reasons: ClassVar[tuple[str, ...]]
    """Every reason that this filter can give; snake_case, unique among all filters."""

    def reject(self, pair: Pair) -> str | None:
        """The reason to drop this pair; None when there is no objection."""
        raise NotImplementedError
