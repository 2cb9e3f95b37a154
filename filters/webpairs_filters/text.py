"""Filters on the text of a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter

if TYPE_CHECKING:
    import pyarrow as pa


class TextLength(PairFilter, frozen=True, kw_only=True, tag="text_length"):
    """Drop texts shorter than `min_chars` or longer than `max_chars` (Unicode code points)."""

    reasons: ClassVar[tuple[str, ...]] = ("text_too_short", "text_too_long")
    min_chars: Annotated[int, Meta(ge=0)] = 5
    max_chars: Annotated[int, Meta(ge=1)] = 1000

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        if len(pair.text) < self.min_chars:
            return "text_too_short"
        return "text_too_long" if len(pair.text) > self.max_chars else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import pyarrow.compute as pc

        length = pc.utf8_length(batch["text"])
        return pc.case_when(
            pc.make_struct(pc.less(length, self.min_chars), pc.greater(length, self.max_chars)),
            "text_too_short",
            "text_too_long",
        )


class TextJunk(PairFilter, frozen=True, kw_only=True, tag="text_junk"):
    """Drop texts that are no words about the image: file names, addresses, stock words."""

    reasons: ClassVar[tuple[str, ...]] = ("text_file_name", "text_boilerplate")

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        del pair
        return None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import pyarrow as pa

        return pa.nulls(len(batch), pa.string())
