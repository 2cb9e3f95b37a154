"""Near-duplicate images by the Hamming distance of 64-bit perceptual hashes.

Rows are walked in rank order, and a row goes when it lies near one that stays: no chains, so two
far images never meet through a third. Every pair within the distance D is found: cut 64 bits into
D + 2 blocks; two hashes within D bits agree on at least two blocks, so one of the C(D + 2, 2)
tables "rows with equal bits in these two blocks" holds them (Manku et al., "Detecting
near-duplicates for web crawling", WWW 2007). Memory stays bounded however the hashes crowd.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

_BITS = 64
_LEAF_ROWS = 512
"""So few rows are compared each with each."""
_CHUNK_PAIRS = 1 << 20
"""Pairs compared at once; about 40 bytes of memory each."""
_FLAT_PAIRS = 1 << 23
"""Rows with more pairs of equal bits than this are cut in two halves: what the first half drops is
then never compared with the second, which is what makes crowded hashes cheap."""
_KEPT = -1


def near_duplicates(phashes: Hashes, rank: Places, distance: int) -> Places:
    """Which kept row each row is a near duplicate of.

    Walk the rows in ascending `rank` (the row number breaks ties); a row is dropped when it lies
    within `distance` bits of an already kept row, and its result is the index of the first such row
    in rank order. -1 for a kept row. A negative distance keeps all.
    """
    result = np.full(len(phashes), _KEPT, np.int64)
    if distance < 0:
        return result
    walk = np.argsort(rank, kind="stable")
    values, first, group = np.unique(phashes[walk], return_index=True, return_inverse=True)
    # Equal hashes share a fate: only the first row of each goes on, in rank order.
    order = np.argsort(first)
    near = np.full(len(values), _KEPT, np.int64)
    _resolve(values[order], np.arange(len(values)), near, distance)
    leaders = walk[first[order]]
    own = np.argsort(order)[group]
    result[walk] = leaders[np.where(near[own] == _KEPT, own, near[own])]
    result[leaders[near == _KEPT]] = _KEPT
    return result


def _resolve(hashes: Hashes, rows: Places, near: Places, distance: int) -> None:
    """Decide `rows` (ascending), none of which lies near a row kept before them."""
    pairs = _near_pairs(hashes[rows], distance)
    if pairs is None:
        left, right = np.array_split(rows, 2)
        _resolve(hashes, left, near, distance)
        left = left[near[left] == _KEPT]
        found = _first_near(hashes[left], hashes[right], distance)
        is_near = found != _KEPT
        near[right[is_near]] = left[found[is_near]]
        _resolve(hashes, right[~is_near], near, distance)
        return
    earlier, later = pairs
    starts = np.flatnonzero(np.diff(earlier, prepend=-1))
    for start, end in pairwise([*starts.tolist(), len(earlier)]):
        row = rows[earlier[start]]
        if near[row] == _KEPT:
            reached = rows[later[start:end]]
            near[reached[near[reached] == _KEPT]] = row


def _near_pairs(hashes: Hashes, distance: int) -> tuple[Places, Places] | None:
    """All pairs (i < j) within the distance, sorted; None when too many would have to be tried."""
    n = len(hashes)
    if n <= _LEAF_ROWS:
        is_near = np.bitwise_count(hashes[:, None] ^ hashes) <= distance
        earlier, later = np.nonzero(np.triu(is_near, 1))
        return earlier, later
    found = [np.empty(0, np.int64)]
    n_tried = 0
    for mask in _masks(distance):
        order, low, high = _groups(hashes & mask)
        n_tried += int((high - low).sum())
        if n_tried > _FLAT_PAIRS:
            return None
        for i, j in _expand(low, high):
            i, j = order[i], order[j]
            is_near = np.bitwise_count(hashes[i] ^ hashes[j]) <= distance
            found.append(i[is_near] * n + j[is_near])
    earlier, later = np.divmod(np.unique(np.concatenate(found)), n)
    return earlier, later


def _first_near(kept: Hashes, others: Hashes, distance: int) -> Places:
    """For each of `others` the smallest index of `kept` within the distance, or -1."""
    best = np.full(len(others), len(kept), np.int64)
    for mask in _masks(distance):
        masked = kept & mask
        order = np.argsort(masked, kind="stable")
        masked, wanted = masked[order], others & mask
        low = np.searchsorted(masked, wanted, side="left")
        high = np.searchsorted(masked, wanted, side="right")
        for i, j in _expand(low, high):
            j = order[j]
            is_near = np.bitwise_count(others[i] ^ kept[j]) <= distance
            np.minimum.at(best, i[is_near], j[is_near])
    best[best == len(kept)] = _KEPT
    return best


def _masks(distance: int) -> Iterator[np.uint64]:
    """The bits of each two of `distance` + 2 blocks."""
    edges = [_BITS * i // (distance + 2) for i in range(distance + 3)]
    blocks = [(1 << end) - (1 << start) for start, end in pairwise(edges)]
    for one, other in combinations(blocks, 2):
        yield np.uint64(one | other)


def _groups(keys: Hashes) -> tuple[Places, Places, Places]:
    """Sort rows by key; row `order[p]` shares its key with `order[low[p]:high[p]]` behind it."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    is_last = np.append(keys[1:] != keys[:-1], True)
    ends = np.flatnonzero(is_last) + 1
    high = np.repeat(ends, np.diff(ends, prepend=0))
    return order, np.arange(1, len(keys) + 1), high


def _expand(low: Places, high: Places) -> Iterator[tuple[Places, Places]]:
    """All (i, j) with low[i] <= j < high[i], in pieces of bounded size."""
    counts = high - low
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = ends[start] - counts[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + _CHUNK_PAIRS, side="right")))
        n = counts[start:stop]
        i = np.repeat(np.arange(start, stop), n)
        first = low[start:stop] - (ends[start:stop] - n - before)
        yield i, np.repeat(first, n) + np.arange(len(i))
        start = stop
