"""What a text looks like before it is read: special characters, capitals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.patterns import first_reason
from webpairs_filters.text.characters import CAPITAL, LETTER, SMALL, count, kind_of
from webpairs_filters.text.words import batch_words, words_as_written

if TYPE_CHECKING:
    import pyarrow as pa

Share = Annotated[float, Meta(ge=0, le=1)]


class SpecialChars(PairFilter, frozen=True, kw_only=True, tag="special_chars"):
    """Drop texts where more than `max_share` of the characters are no letter and no mark.

    OBELICS: at most 0.3, with white space, digits, punctuation and emoji as special; its list is
    written out by hand, here it is what Unicode counts neither as letter nor as mark.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_special_chars",)
    max_share: Share = 0.3

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        n_special = sum(not kind_of(character) & LETTER for character in pair.text)
        return "text_special_chars" if n_special > self.max_share * len(pair.text) else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        _, kinds, bounds = batch_words(batch["text"]).characters
        n_special = count((kinds & LETTER) == 0, bounds)
        n_chars = bounds[1:] - bounds[:-1]
        return first_reason({"text_special_chars": n_special > self.max_share * n_chars})


class Capitals(PairFilter, frozen=True, kw_only=True, tag="capitals"):
    """Drop texts whose capitals are odd: how CC3M tells sentences from keywords and shouting.

    `text_many_capitals`: more than `max_share` of the words that begin with a letter of either
    case begin with a capital; texts in scripts without case have no such word. `text_no_capital`:
    with `starts_with_capital`, the first word begins in lower case. CC3M drops both and does not
    publish its line; 0.9 here leaves titles in peace and drops what shouts.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_many_capitals", "text_no_capital")
    max_share: Share = 0.9
    starts_with_capital: bool = False

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        kinds = [kind_of(word[0]) for word in words_as_written(pair.text)]
        n_capital = sum(bool(kind & CAPITAL) for kind in kinds)
        n_cased = n_capital + sum(bool(kind & SMALL) for kind in kinds)
        if n_capital > self.max_share * n_cased:
            return "text_many_capitals"
        is_small = self.starts_with_capital and bool(kinds) and bool(kinds[0] & SMALL)
        return "text_no_capital" if is_small else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import numpy as np

        words = batch_words(batch["text"])
        kinds = words.first_kinds
        is_small = (kinds & SMALL) != 0
        n_capital = words.count((kinds & CAPITAL) != 0)
        n_cased = n_capital + words.count(is_small)
        starts_small = np.zeros(len(n_cased), np.bool_)
        if self.starts_with_capital:
            has_word = words.n_words > 0
            starts_small[has_word] = is_small[words.bounds[:-1][has_word]]
        return first_reason(
            {
                "text_many_capitals": n_capital > self.max_share * n_cased,
                "text_no_capital": starts_small,
            }
        )
