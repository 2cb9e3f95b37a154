"""Near-duplicate images by the Hamming distance of 64-bit perceptual hashes.

Rows are walked in rank order, and a row goes when it lies near one that stays: no chains, so two
far images never meet through a third. Every pair within the distance is found (`near_pairs`), and
memory stays bounded however the hashes crowd.
"""

import numpy as np

from webpairs_filters.duplicates.near_pairs import (
    NONE,
    ROW_BITS,
    Hashes,
    Places,
    first_within,
    pairs_within,
)

_MAX_PAIRS = 1 << 23
"""Rows with more near pairs than this are cut in two halves: what the first half drops is then
never compared with the second, which is what makes crowded hashes cheap. 8 bytes a pair, sorted."""
_CHUNK_PAIRS = 1 << 16


def near_duplicates(phashes: Hashes, rank: Places, distance: int) -> Places:
    """Which kept row each row is a near duplicate of.

    Walk the rows in ascending `rank` (the row number breaks ties); a row is dropped when it lies
    within `distance` bits of an already kept row, and its result is the index of the first such row
    in rank order. -1 for a kept row. A negative distance keeps all.
    """
    n = len(phashes)
    if distance < 0:
        return np.full(n, NONE, np.int64)
    walk = np.argsort(rank, kind="stable")
    hashes = phashes[walk]
    leader = _first_equal(hashes)
    is_leader = leader == np.arange(n)
    near = np.full(n, NONE, np.int64)
    # Equal hashes share a fate: only the first row of each goes on, in rank order.
    _resolve(hashes, np.flatnonzero(is_leader), near, distance)
    found = near[leader]
    is_kept = is_leader & (found == NONE)
    found = np.where(found == NONE, leader, found)
    result = np.empty(n, np.int64)
    result[walk] = np.where(is_kept, NONE, walk[found])
    return result


def nearest_within(kept: Hashes, others: Hashes, distance: int) -> Places:
    """For each of `others` the nearest row of `kept` within the distance, the first of equally near
    ones; -1 where there is none."""
    found = first_within(kept, others, distance)
    left = np.flatnonzero(found != NONE)
    for nearer in range(distance):
        closest = first_within(kept, others[left], nearer)
        is_nearest = closest != NONE
        found[left[is_nearest]] = closest[is_nearest]
        left = left[~is_nearest]
    return found


def _first_equal(hashes: Hashes) -> Places:
    """For each row the first row with the same hash."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(hashes)])
    first = np.empty(len(hashes), np.int64)
    first[order] = np.repeat(order[starts], np.diff(starts, append=len(hashes)))
    return first


def _resolve(hashes: Hashes, rows: Places, near: Places, distance: int) -> None:
    """Decide `rows` (ascending), none of which lies near a row kept before them."""
    pairs = pairs_within(hashes[rows], distance, _MAX_PAIRS)
    if pairs is not None:
        near[rows] = _walk(pairs, rows)
        return
    left, right = np.array_split(rows, 2)
    _resolve(hashes, left, near, distance)
    left = left[near[left] == NONE]
    found = first_within(hashes[left], hashes[right], distance)
    is_near = found != NONE
    near[right[is_near]] = left[found[is_near]]
    _resolve(hashes, right[~is_near], near, distance)


def _walk(pairs: Places, rows: Places) -> Places:
    """What the walk over `rows` says of each, given all near pairs (earlier << 32 | later, sorted).

    All pairs in which a row is the later one come before those in which it is the earlier one.
    """
    near = np.full(len(rows), NONE, np.int64)
    fate = near.data
    for start in range(0, len(pairs), _CHUNK_PAIRS):
        chunk = pairs[start : start + _CHUNK_PAIRS]
        earlier, later = chunk >> ROW_BITS, chunk & (1 << ROW_BITS) - 1
        for one, other in zip(earlier.tolist(), later.tolist(), strict=True):
            if fate[one] == NONE and fate[other] == NONE:
                fate[other] = one
    is_near = near != NONE
    near[is_near] = rows[near[is_near]]
    return near
