"""How long a text may be, in characters and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.patterns import first_reason
from webpairs_filters.text.words import batch_words, words_of

if TYPE_CHECKING:
    import pyarrow as pa


class TextLength(PairFilter, frozen=True, kw_only=True, tag="text_length"):
    """Drop texts shorter than `min_chars` or longer than `max_chars` (Unicode code points).

    LAION-400M and LAION-5B: at least 5; COYO-700M: more than 5, at most 1,000.
    """

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
        return first_reason(
            {
                "text_too_short": pc.less(length, self.min_chars),
                "text_too_long": pc.greater(length, self.max_chars),
            }
        )


class TextWords(PairFilter, frozen=True, kw_only=True, tag="text_words"):
    """Drop texts of fewer than `min_words` or more than `max_words` words (see `words`).

    CC12M and COYO-700M: 3 to 256; ALIGN: 3 to 20; DataComp's basic filter: more than 2 (it takes
    all that white space separates, so that a lone dash counts there and not here); OBELICS: 4 to
    1,000.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_too_few_words", "text_too_many_words")
    min_words: Annotated[int, Meta(ge=0)] = 3
    max_words: Annotated[int, Meta(ge=1)] = 256

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        n_words = len(words_of(pair.text))
        if n_words < self.min_words:
            return "text_too_few_words"
        return "text_too_many_words" if n_words > self.max_words else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        n_words = batch_words(batch["text"]).n_words
        return first_reason(
            {
                "text_too_few_words": n_words < self.min_words,
                "text_too_many_words": n_words > self.max_words,
            }
        )
