"""Which words a text may, must or must not use: stop words, common, blocked and rare ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter, UserFile
from webpairs_filters.patterns import first_reason
from webpairs_filters.text.english import STOP_WORDS
from webpairs_filters.text.words import batch_words, words_of
from webpairs_filters.user_lists import Phrases, frequent_words, single_words, word_list

if TYPE_CHECKING:
    from collections.abc import Container

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

Share = Annotated[float, Meta(ge=0, le=1)]


class StopWords(PairFilter, frozen=True, kw_only=True, tag="stop_words"):
    """Drop texts where less than `min_share` of the words are function words: lists of keywords.

    OBELICS: at least 0.3 of the words. `words` is a file of one word a line; without it English
    (`english`), so that texts in other languages go: put `language` before it or bring a list.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_few_stop_words",)
    file_fields: ClassVar[tuple[str, ...]] = ("words",)
    words: str = ""
    min_share: Share = 0.3

    def _list(self) -> frozenset[str]:
        return single_words(self.words) if self.words else STOP_WORDS

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        is_low = _has_few(words_of(pair.text), self._list(), self.min_share)
        return "text_few_stop_words" if is_low else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        return first_reason({"text_few_stop_words": _have_few(batch, self._list(), self.min_share)})


class CommonWords(PairFilter, frozen=True, kw_only=True, tag="common_words"):
    """Drop texts where less than `min_share` of the words are in the file `words`, one a line.

    OBELICS: at least 0.8 of the words are among those that its corpus uses often. Such a list is
    one of a corpus and a language, so none comes with this.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_few_common_words",)
    file_fields: ClassVar[tuple[str, ...]] = ("words",)
    words: UserFile
    min_share: Share = 0.8

    def reject(self, pair: Pair) -> str | None:
        """See the class. Raises ListError."""
        is_low = _has_few(words_of(pair.text), single_words(self.words), self.min_share)
        return "text_few_common_words" if is_low else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`. Raises ListError."""
        common = single_words(self.words)
        return first_reason({"text_few_common_words": _have_few(batch, common, self.min_share)})


class BlockedWords(PairFilter, frozen=True, kw_only=True, tag="blocked_words"):
    """Drop texts where words and phrases of the file `words` cover more than `max_share` of the
    words; by default, where there is one.

    For profanity lists and the like, which the user brings: one word or phrase a line, compared
    folded and as whole words. COYO-700M uses three such lists; OBELICS allows 0.01 of the words.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_blocked_words",)
    file_fields: ClassVar[tuple[str, ...]] = ("words",)
    words: UserFile
    max_share: Share = 0.0

    def reject(self, pair: Pair) -> str | None:
        """See the class. Raises ListError."""
        is_blocked = self._fails(words_of(pair.text), word_list(self.words))
        return "text_blocked_words" if is_blocked else None

    def _fails(self, words: list[str], blocked: Phrases) -> bool:
        return blocked.n_covered(words) > self.max_share * len(words)

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`. Raises ListError."""
        import numpy as np

        blocked = word_list(self.words)
        words = batch_words(batch["text"])
        # Only a text that has the first word of an entry can have the entry.
        fails = words.count(words.are_in(blocked.singles | blocked.longer.keys())) > 0
        some = np.flatnonzero(fails).tolist()
        fails[some] = [self._fails(words.of(text), blocked) for text in some]
        return first_reason({"text_blocked_words": fails})


class RareWords(PairFilter, frozen=True, kw_only=True, tag="rare_words"):
    """Drop texts where more than `max_share` of the words are rare; by default, where one is.

    Rare is what the file `counts` (word, tab, count) counts fewer than `min_count` times, or not
    at all. CC3M drops texts with a word that a corpus of 1e9 has fewer than 5 times; CC12M 20.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_rare_words",)
    file_fields: ClassVar[tuple[str, ...]] = ("counts",)
    counts: UserFile
    min_count: Annotated[int, Meta(ge=1)] = 5
    max_share: Share = 0.0

    def reject(self, pair: Pair) -> str | None:
        """See the class. Raises ListError."""
        known = frequent_words(self.counts, self.min_count)
        words = words_of(pair.text)
        n_rare = sum(word not in known for word in words)
        return "text_rare_words" if n_rare > self.max_share * len(words) else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`. Raises ListError."""
        known = frequent_words(self.counts, self.min_count)
        words = batch_words(batch["text"])
        n_rare = words.count(~words.are_in(known))
        return first_reason({"text_rare_words": n_rare > self.max_share * words.n_words})


def _has_few(words: list[str], wanted: Container[str], min_share: float) -> bool:
    return sum(word in wanted for word in words) < min_share * len(words)


def _have_few(
    batch: pa.RecordBatch, wanted: Container[str], min_share: float
) -> npt.NDArray[np.bool_]:
    words = batch_words(batch["text"])
    return words.count(words.are_in(wanted)) < min_share * words.n_words
