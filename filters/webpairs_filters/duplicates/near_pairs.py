"""All pairs of 64-bit hashes within a Hamming distance, exactly and in bounded memory.

Rows are grouped by the bits of each table (`near_tables`), so the members of a group lie side by
side, and the comparison streams through memory: the first of each group with its second, then with
its third ..., many rows at a time. A pair is reported in the first table that holds it, so there is
nothing to make unique afterwards.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from webpairs_filters.duplicates.near_tables import Table, choose_tables

Hashes = npt.NDArray[np.uint64]
Keys = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int64]

ROW_BITS = 32
"""A pair is one number: the earlier row above these bits, the later row in them."""
NONE = -1
_PIECE_ROWS = 1 << 15
_CHUNK_ROWS = 1 << 15
"""Rows compared at once: what they need stays in a core's own cache."""


class _Grouped(NamedTuple):
    """Rows sorted by key; `order` says where each came from."""

    order: Places
    keys: Keys
    hashes: Hashes


def pairs_within(hashes: Hashes, distance: int, max_pairs: int) -> Places | None:
    """Every pair of rows i < j at most `distance` bits apart, as sorted numbers i << 32 | j.

    None as soon as there are more than `max_pairs`: no more are ever held, but for one chunk. Cost
    grows with n² / 2**bits of the keys for hashes spread evenly, with n² for equal keys. At most
    2**32 rows.
    """
    tables = choose_tables(distance, len(hashes), len(hashes) ** 2 // 2)
    masks = [np.uint64(table.mask) for table in tables]
    found = [np.empty(0, np.int64)]
    n_found = 0
    for piece, places in _pieces(hashes, tables):
        for place in places:
            order, keys, values = _group(piece.hashes, tables[place])
            low = np.arange(1, len(keys) + 1)
            high = np.repeat(*_runs(keys))
            for i, j in _gathered(_matches((values, values), low, high, distance)):
                is_new = _is_in_none(values[i] ^ values[j], masks[:place])
                one, other = piece.order[order[i[is_new]]], piece.order[order[j[is_new]]]
                found.append(np.minimum(one, other) << ROW_BITS | np.maximum(one, other))
                n_found += len(one)
                if n_found > max_pairs:
                    return None
    return np.sort(np.concatenate(found))


def first_within(kept: Hashes, others: Hashes, distance: int) -> Places:
    """For each of `others` the smallest row of `kept` within the distance, or -1."""
    best = np.full(len(others), len(kept), np.int64)
    for table in choose_tables(distance, len(kept) + len(others), len(kept) * len(others)):
        pool, seekers = _group(kept, table), _group(others, table)
        low = np.searchsorted(pool.keys, seekers.keys, side="left")
        high = np.searchsorted(pool.keys, seekers.keys, side="right")
        for i, j in _matches((seekers.hashes, pool.hashes), low, high, distance):
            # No row comes twice in one answer, so plain assignment keeps the smallest.
            i, j = seekers.order[i], pool.order[j]
            best[i] = np.minimum(best[i], j)
    best[best == len(kept)] = NONE
    return best


def _pieces(hashes: Hashes, tables: Sequence[Table]) -> Iterator[tuple[_Grouped, Sequence[int]]]:
    """The rows in pieces for a core's cache, each with the tables (their places) to look at it in.

    Tables that begin with the same block share one pass over all rows: a piece is whole groups of
    that block, so nothing equal in one of these tables is torn apart.
    """
    for first, same in groupby(range(len(tables)), lambda place: tables[place].blocks[:1]):
        places = list(same)
        rows = _group(hashes, Table(first))
        ends, _ = _runs(rows.keys)
        start = 0
        while start < len(hashes):
            enough = int(np.searchsorted(ends, start + _PIECE_ROWS))
            stop = int(ends[min(enough, len(ends) - 1)])
            piece = slice(start, stop)
            yield _Grouped(rows.order[piece], rows.keys[piece], rows.hashes[piece]), places
            start = stop


def _runs(keys: Keys) -> tuple[Places, Places]:
    """Where each run of equal keys ends, and its length."""
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]) + 1, len(keys))
    return ends, np.diff(ends, prepend=0)


def _group(hashes: Hashes, table: Table) -> _Grouped:
    # numpy sorts 16-bit numbers by radix when asked for a stable sort, many times faster than wide
    # ones; low half first, then the high half, as radix sorts do. Cutting the keys out again is
    # cheaper than to fetch them from where they were.
    keys = _keys(hashes, table)
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    hashes = hashes.take(order)
    keys = _keys(hashes, table)
    if table.n_bits > 16:
        again = np.argsort((keys >> np.uint32(16)).astype(np.uint16), kind="stable")
        order, hashes = order.take(again), hashes.take(again)
        keys = _keys(hashes, table)
    return _Grouped(order, keys, hashes)


def _keys(hashes: Hashes, table: Table) -> Keys:
    """The bits of the table's blocks side by side."""
    keys = np.empty(len(hashes), np.uint32)
    for start in range(0, len(hashes), _CHUNK_ROWS):
        chunk = hashes[start : start + _CHUNK_ROWS]
        joined = np.zeros(len(chunk), np.uint64)
        for first, width in table.blocks:
            joined <<= np.uint64(width)
            joined |= chunk >> np.uint64(first) & np.uint64((1 << width) - 1)
        keys[start : start + _CHUNK_ROWS] = joined
    return keys


def _matches(
    sides: tuple[Hashes, Hashes], low: Places, high: Places, distance: int
) -> Iterator[tuple[Places, Places]]:
    """All (i, j) with low[i] <= j < high[i] and sides[0][i] near sides[1][j].

    They come in answers of at most `_CHUNK_ROWS`, in each of which an i comes once.
    """
    seekers, pool = sides
    for start in range(0, len(seekers), _CHUNK_ROWS):
        stop = start + _CHUNK_ROWS
        n_left = high[start:stop] - low[start:stop]
        at = np.flatnonzero(n_left) + start
        n_left, j, wanted = n_left[at - start], low[at], seekers[at]
        n_done = 0
        while len(at):
            # A row that is through meets strangers until the next clean-up: told apart below.
            apart = np.bitwise_count(wanted ^ pool.take(j, mode="clip"))
            hit = np.flatnonzero(apart <= distance)
            hit = hit[n_left[hit] > n_done]
            if len(hit):
                yield at[hit], j[hit]
            n_done += 1
            j += 1
            is_left = n_left > n_done
            if 2 * np.count_nonzero(is_left) <= len(at):
                at, n_left, j, wanted = at[is_left], n_left[is_left], j[is_left], wanted[is_left]


def _gathered(matches: Iterator[tuple[Places, Places]]) -> Iterator[tuple[Places, Places]]:
    """The same in fewer, larger answers: most are a handful."""
    some: list[tuple[Places, Places]] = []
    n_some = 0
    for match in matches:
        some.append(match)
        n_some += len(match[0])
        if n_some >= _CHUNK_ROWS:
            yield np.concatenate([i for i, _ in some]), np.concatenate([j for _, j in some])
            some, n_some = [], 0
    if some:
        yield np.concatenate([i for i, _ in some]), np.concatenate([j for _, j in some])


def _is_in_none(apart: Hashes, masks: Sequence[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which pairs, given as the bits that differ, are in none of the tables with these masks."""
    is_new = np.ones(len(apart), bool)
    for mask in masks:
        is_new &= apart & mask != 0
    return is_new
