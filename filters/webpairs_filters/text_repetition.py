"""Texts that say the same again: words, runs of characters, phrases.

The last two are OBELICS' measures (its `compute_character_repetition_ratio` and
`compute_word_repetition_ratio`, from BigScience's ROOTS). Their batch forms find the few texts that
could fail and leave the judgement on those to the plain form, so that both agree by construction.
"""

from __future__ import annotations

from collections import Counter
from math import isqrt
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.characters import count
from webpairs_filters.patterns import first_reason
from webpairs_filters.words import batch_words, repeats, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
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
        n_repeated = words.count(words.are_repeated)
        return first_reason({"text_repeats_words": n_repeated > self.max_share * words.n_words})


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
        return "text_repeats_chars" if self._fails(pair.text) else None

    def _fails(self, text: str) -> bool:
        n_runs = len(text) - self.n + 1
        if n_runs < 2:
            return False
        runs = Counter(text[i : i + self.n] for i in range(n_runs))
        repeated = sorted((times for times in runs.values() if times > 1), reverse=True)
        return sum(repeated[: isqrt(len(runs))]) > self.max_ratio * n_runs

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import numpy as np

        points, _, bounds = batch_words(batch["text"]).characters
        n_runs = np.maximum(bounds[1:] - bounds[:-1] - self.n + 1, 0)
        is_long = n_runs > 1
        # The first characters of all runs, and the runs themselves as hashes.
        sizes = np.where(is_long, n_runs, 0)
        of_text = np.zeros(len(sizes) + 1, np.int64)
        np.cumsum(sizes, out=of_text[1:])
        first = np.arange(of_text[-1]) + np.repeat(bounds[:-1] - of_text[:-1], sizes)
        n_repeats = count(repeats(_hashes(points, self.n)[first], of_text), of_text)
        # A run that occurs t > 1 times is at most 2 (t - 1) of the sum that decides.
        may_fail = is_long & (2 * n_repeats > self.max_ratio * n_runs)
        return _judged("text_repeats_chars", batch["text"], may_fail, self._fails)


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
        return "text_repeats_phrases" if self._fails(pair.text) else None

    def _fails(self, text: str) -> bool:
        words = words_of(text)
        n_phrases = len(words) - self.n + 1
        if n_phrases < 2:
            return False
        phrases = Counter(tuple(words[i : i + self.n]) for i in range(n_phrases))
        repeated = sum(times for times in phrases.values() if times > 1)
        return repeated > self.max_ratio * n_phrases

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import numpy as np

        words = batch_words(batch["text"])
        # All words of a phrase that stands again stood before, so it ends a run of n such words.
        before = np.zeros(len(words.codes) + 1, np.int64)
        np.cumsum(words.are_repeated, out=before[1:])
        may_end = np.zeros(len(words.codes), np.bool_)
        may_end[self.n - 1 :] = (before[self.n :] - before[: -self.n]) == self.n
        may_fail = words.count(may_end) > 0
        return _judged("text_repeats_phrases", batch["text"], may_fail, self._fails)


def _hashes(points: npt.NDArray[np.uint32], n: int) -> npt.NDArray[np.uint32]:
    """A hash of the `n` characters from each one on: equal runs have equal hashes.

    A polynomial in an odd number modulo 2³², by doubling: H(a + b) of a run is H(a) Bᵇ + H(b).
    """
    import numpy as np

    base = 0x9E3779B1
    doubled, size = points * np.uint32(base) ^ (points >> np.uint32(7)), 1
    made, n_made = None, 0
    while True:
        if n & size:
            made = doubled if made is None else _joined(made, n_made, doubled, base**size)
            n_made += size
        size *= 2
        if size > n:
            assert made is not None
            return made
        doubled = _joined(doubled, size // 2, doubled, base ** (size // 2))


def _joined(
    left: npt.NDArray[np.uint32], n_left: int, right: npt.NDArray[np.uint32], power: int
) -> npt.NDArray[np.uint32]:
    """Hashes of runs: `n_left` characters, then those of `right`; zero where they do not fit."""
    import numpy as np

    joined = left * np.uint32(power & 0xFFFFFFFF)
    joined[: len(joined) - n_left] += right[n_left:]
    return joined


def _judged(
    reason: str,
    texts: pa.StringArray,
    may_fail: npt.NDArray[np.bool_],
    fails: Callable[[str], bool],
) -> pa.Array:
    """The reason where the plain form says so; it is asked only where the text may fail."""
    import pyarrow as pa

    failed = may_fail.copy()
    failed[may_fail] = [fails(text) for text in texts.filter(pa.array(may_fail)).to_pylist()]
    return first_reason({reason: failed})
