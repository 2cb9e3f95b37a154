"""CLIP's rule: an entry draws its `per_entry` smallest lots, not one more.

The cutoff of an entry is the `per_entry`-th smallest of its lots. Lots are spread evenly, so that
with the count of the entry it is known beforehand where about the cutoff lies; only the lots in
that window are held, and the ones below it are counted. An entry whose cutoff is not in its window
gets a wider one. Entries take turns when their windows together would need too much memory.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from webpairs_filters.balance.draw import ALL, Counts, Drawn, Lots

_SPREAD = 6.0
"""Half of the first window in standard deviations of the number of lots below a point (at most the
root of that number): one entry in a hundred million falls outside."""
_MAX_LOTS = 8_000_000
"""Lots held at once, 12 bytes each and as much again to sort them."""
_SCALE = 2.0**64

Passes = Callable[[], Iterable[Drawn]]
"""Each call goes over all matches of the corpus once more, in any order."""
Heads = npt.NDArray[np.int64]


def exact_cutoffs(
    counts: Counts, per_entry: int, passes: Passes, max_lots: int = _MAX_LOTS
) -> Lots:
    """The `per_entry`-th (from 1) smallest lot of each entry with more matches than that; ALL for
    the others.

    `counts` are those of all the matches that a pass goes over. One pass for nearly every corpus:
    more where the windows hold more than `max_lots` lots.
    """
    cutoffs = np.full(len(counts), ALL)
    pending = np.flatnonzero(counts > per_entry)
    spread = np.full(len(counts), _SPREAD)
    while len(pending):
        half = spread[pending] * np.sqrt(per_entry) + spread[pending] ** 2
        held = np.cumsum(np.minimum(2 * half, counts[pending]))
        n_now = max(1, int(np.searchsorted(held, max_lots, side="right")))
        now, half = pending[:n_now], half[:n_now]
        low, high = _window(counts[now], per_entry, half)
        is_found = _search(_Turn(len(counts), now, low, high), per_entry, passes(), cutoffs)
        is_whole = (low == 0) & (high == ALL)
        assert np.all(is_found | ~is_whole), "the matches are not those that were counted"
        spread[now] *= 4
        pending = np.concatenate([now[~is_found], pending[n_now:]])
    return cutoffs


class _Turn:
    """The entries looked at in one pass and the window of each: low <= lot <= high."""

    def __init__(self, n_entries: int, heads: Heads, low: Lots, high: Lots) -> None:
        self.heads, self.low, self.high = heads, low, high
        self.place = np.full(n_entries, -1, np.int64)
        self.place[heads] = np.arange(len(heads))


def _window(counts: Counts, middle: int, half: npt.NDArray[np.float64]) -> tuple[Lots, Lots]:
    def lot(rank: npt.NDArray[np.float64]) -> Lots:
        share = np.clip(rank / counts, 0.0, 1.0)
        return np.where(share < 1.0, np.minimum(share, 1 - 2.0**-53) * _SCALE, 0).astype(np.uint64)

    low, high = middle - half, middle + half
    return lot(low), np.where(high < counts, lot(high), ALL)


def _search(
    turn: _Turn, per_entry: int, batches: Iterable[Drawn], cutoffs: Lots
) -> npt.NDArray[np.bool_]:
    """Set the cutoffs that are in their window; say which were."""
    n = len(turn.heads)
    below = np.zeros(n, np.int64)
    places, lots = [np.empty(0, np.int32)], [np.empty(0, np.uint64)]
    for drawn in batches:
        place = turn.place[drawn.entries]
        is_head = place >= 0
        place, lot = place[is_head], drawn.lots[is_head]
        is_below = lot < turn.low[place]
        below += np.bincount(place[is_below], minlength=n)
        is_inside = ~is_below & (lot <= turn.high[place])
        places.append(place[is_inside].astype(np.int32))
        lots.append(lot[is_inside])
    all_places, all_lots = np.concatenate(places), np.concatenate(lots)
    del places, lots
    order = np.lexsort((all_lots, all_places))
    n_inside = np.bincount(all_places, minlength=n)
    rank = per_entry - below
    is_found: npt.NDArray[np.bool_] = (rank >= 1) & (rank <= n_inside)
    last = np.cumsum(n_inside) - n_inside + rank - 1
    cutoffs[turn.heads[is_found]] = all_lots[order[last[is_found]]]
    return is_found
