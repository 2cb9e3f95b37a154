"""Balance over a whole corpus: count, find the cutoffs, judge. Each step sees one batch at a time.

::

    matcher = Matcher(entries, ignore_case=section.ignore_case)     # one a process
    matches = matcher.match(batch["text"])                          # each part alone; keep it
    counts = sum(count_matches(matches, len(matcher.entries)) ...)  # a sum over the parts
    settled = settle(lots, counts, section.per_entry, rule)         # over all the parts
    reasons = settled.reasons(key_column, matches)                  # each part alone
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webpairs_filters.balance.cutoffs import exact_cutoffs
from webpairs_filters.balance.draw import (
    Counts,
    Drawn,
    Lots,
    count_matches,
    draw,
    entry_codes,
    expected_cutoffs,
    kept_rows,
)
from webpairs_filters.options import BalanceRule

NO_ENTRY, BALANCED = "no_entry", "balanced"
REASONS = (NO_ENTRY, BALANCED)
"""Dropped for holding no entry; lost in the draw of each of its entries."""


class Matched(NamedTuple):
    """Some pairs of the corpus, in any order and any cut."""

    keys: pa.Array
    """Binary, 16 bytes, distinct over the corpus."""
    matches: pa.ListArray
    """What `Matcher.match` says of their texts."""


Corpus = Callable[[], Iterable[Matched]]
"""Each call goes over all pairs once more."""


class Lottery:
    """The entries' part in the lots, for one seed: small enough to be sent to a process."""

    def __init__(self, entries: Sequence[str], seed: int) -> None:
        self.n_entries = len(entries)
        self._codes = entry_codes(entries)
        self._seed = seed

    def draw(self, some: Matched) -> Drawn:
        """See `draw.draw`."""
        return draw(some.keys, some.matches, self._codes, self._seed)


class Settled(NamedTuple):
    """All that judging a batch takes."""

    lottery: Lottery
    counts: Counts
    """Pairs that hold each entry, before."""
    cutoffs: Lots

    def reasons(self, some: Matched) -> pa.Array:
        """For each pair why it is dropped, one of REASONS, or null: strings."""
        n = len(some.matches)
        kept = kept_rows(self.lottery.draw(some), self.cutoffs, n)
        is_bare = pc.equal(pc.list_value_length(some.matches), 0)
        lost = pc.if_else(is_bare, NO_ENTRY, BALANCED)
        return pc.if_else(pa.array(kept), pa.scalar(None, pa.string()), lost)


def count_corpus(corpus: Iterable[Matched], n_entries: int) -> Counts:
    """Pairs that hold each entry."""
    counts = np.zeros(n_entries, np.int64)
    for some in corpus:
        counts += count_matches(some.matches, n_entries)
    return counts


def settle(
    corpus: Corpus, lottery: Lottery, counts: Counts, per_entry: int, rule: BalanceRule
) -> Settled:
    """Find the cutoffs of a corpus with these `counts` (`count_corpus`). `per_entry` is 1 or more.

    "clip" goes over the corpus once (see `exact_cutoffs`), "metaclip" never.
    """
    if rule == "metaclip":
        return Settled(lottery, counts, expected_cutoffs(counts, per_entry))

    def passes() -> Iterable[Drawn]:
        return map(lottery.draw, corpus())

    return Settled(lottery, counts, exact_cutoffs(counts, per_entry, passes))
