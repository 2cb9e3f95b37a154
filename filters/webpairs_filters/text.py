"""Filters on the text of a pair."""

from typing import Annotated, ClassVar

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter


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
