"""Texts that say the same again: words, runs of characters, phrases.

The last two are OBELICS' measures (its `compute_character_repetition_ratio` and
`compute_word_repetition_ratio`, from BigScience's ROOTS).
"""

from __future__ import annotations

from collections import Counter
from math import isqrt
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.patterns import first_reason
from webpairs_filters.text.repeats import repeats
from webpairs_filters.text.words import batch_words, words_of

if TYPE_CHECKING:
    import pyarrow as pa

Share = Annotated[float, Meta(ge=0, le=1)]


class RepeatedWords(PairFilter, frozen=True, kw_only=True, tag="repeated_words"):
    """Drop texts where more than `max_share` of the words stood before in the text.

    CC12M: at most 0.2. One minus this share is CC3M's unique-word ratio, whose line is not
    published.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_repeats_words",)
    max_share: Share = 0.2

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        words = words_of(pair.text)
        n_repeated = len(words) - len(set(words))
        return "text_repeats_words" if n_repeated > self.max_share * len(words) else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        words = batch_words(batch["text"])
        return first_reason({"text_repeats_words": words.n_again > self.max_share * words.n_words})


class RepeatedChars(PairFilter, frozen=True, kw_only=True, tag="repeated_chars"):
    """Drop texts whose runs of `n` characters repeat by more than `max_ratio`.

    The ratio: of all runs, those that are an occurrence of one of the most frequent k; k is the
    root of the number of distinct runs, or the number of those that occur twice if that is less.
    OBELICS: 0.1 of runs of 10. A text of no more than `n` characters cannot repeat.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_repeats_chars",)
    n: Annotated[int, Meta(ge=1, le=100)] = 10
    max_ratio: Share = 0.1

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        n_runs = len(pair.text) - self.n + 1
        runs = Counter(pair.text[i : i + self.n] for i in range(n_runs))
        repeated = sorted((times for times in runs.values() if times > 1), reverse=True)
        fails = sum(repeated[: isqrt(len(runs))]) > self.max_ratio * n_runs
        return "text_repeats_chars" if fails and n_runs > 1 else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import numpy as np

        points, _, bounds = batch_words(batch["text"]).characters
        found = repeats(points, bounds, self.n)
        k = np.floor(np.sqrt(found.n_runs - found.again)).astype(np.int64)
        # Of d distinct runs that stand again, k decide. If d is no more, that is all occurrences.
        # Else the other d - k occur twice or more, which bounds what is left for the k.
        has_few = found.distinct <= k
        all_of_them = found.again + found.distinct
        least = np.where(has_few, all_of_them, 2 * k)
        most = np.where(has_few, all_of_them, all_of_them - 2 * (found.distinct - k))
        line = self.max_ratio * found.n_runs
        fails = least > line
        for row in np.flatnonzero((most > line) & ~fails).tolist():
            fails[row] = found.most_frequent(row, int(k[row])) > line[row]
        return first_reason({"text_repeats_chars": fails})


class RepeatedPhrases(PairFilter, frozen=True, kw_only=True, tag="repeated_phrases"):
    """Drop texts whose phrases of `n` words repeat by more than `max_ratio`.

    The ratio: of all phrases, those that occur twice or more. OBELICS: 0.1 of phrases of 5. A text
    of no more than `n` words cannot repeat.
    """

    reasons: ClassVar[tuple[str, ...]] = ("text_repeats_phrases",)
    n: Annotated[int, Meta(ge=1, le=100)] = 5
    max_ratio: Share = 0.1

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        words = words_of(pair.text)
        phrases = Counter(zip(*(words[i:] for i in range(self.n)), strict=False))
        repeated = sum(times for times in phrases.values() if times > 1)
        fails = repeated > self.max_ratio * phrases.total()
        return "text_repeats_phrases" if fails else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        found = batch_words(batch["text"]).phrases(self.n)
        repeated = found.again + found.distinct
        return first_reason({"text_repeats_phrases": repeated > self.max_ratio * found.n_runs})
