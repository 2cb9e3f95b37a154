"""What stands more than once in the rows of one long array: characters or words of many texts.

Exact: hashes only propose. A hash table, because sorting says the same at several times the cost.
"""

from __future__ import annotations

from itertools import cycle, pairwise
from typing import TYPE_CHECKING, NamedTuple

from webpairs_filters.text.characters import count

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SPREAD = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1)
"""Odd multipliers (the primes of xxHash32): one for each try at a free slot."""
_SLOTS = 3
"""Slots of the table for each value, at least: few values meet another one."""
_BLOCK = 65_536
"""Values in one table: it stays in the cache of a core."""


class Repeats(NamedTuple):
    """Of each row; shapes (rows,)."""

    n_runs: npt.NDArray[np.int64]
    """Runs of n values in it: its length less n - 1."""
    again: npt.NDArray[np.int64]
    """Runs that stand again later in the row: all runs less the distinct ones."""
    distinct: npt.NDArray[np.int64]
    """Distinct runs among those."""
    times: npt.NDArray[np.int64]
    """How often each of these distinct runs stands in its row, row after row."""

    def most_frequent(self, row: int, k: int) -> int:
        """The occurrences of the `k` most frequent runs of a row that stand again."""
        end = int(self.distinct[: row + 1].sum())
        times = self.times[end - int(self.distinct[row]) : end]
        times.sort()
        return int(times[max(0, len(times) - k) :].sum())


def repeats(
    values: npt.NDArray[np.uint32],
    bounds: npt.NDArray[np.int64],
    n: int,
    may_repeat: npt.NDArray[np.bool_] | None = None,
) -> Repeats:
    """Count the runs of `n` values that stand again in their row `values[bounds[i]:bounds[i + 1]]`.

    `may_repeat`: the rows to look at; the caller knows that in the others none stands again.
    """
    import numpy as np

    n_runs = np.maximum(np.diff(bounds) - n + 1, 0)
    sizes = np.where(n_runs > 1 if may_repeat is None else may_repeat, n_runs, 0)
    of_row = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=of_row[1:])
    first = np.arange(of_row[-1]) + np.repeat(bounds[:-1] - of_row[:-1], sizes)
    hashes = _hashes(values, n)
    cuts = np.searchsorted(of_row, np.arange(0, len(first), _BLOCK))
    again, distinct = np.zeros_like(n_runs), np.zeros_like(n_runs)
    times = [np.zeros(0, np.int64)]
    for row, next_row in pairwise(np.unique(np.append(cuts, len(sizes)))):
        of_block = of_row[row : next_row + 1] - of_row[row]
        runs = Runs(values, first[of_row[row] : of_row[next_row]], n)
        is_again, times_again = _equal(runs, hashes[runs.first], np.diff(of_block))
        again[row:next_row] = count(is_again, of_block)
        distinct[row:next_row] = count(times_again > 0, of_block)
        times.append(times_again[times_again > 0] + 1)
    return Repeats(n_runs, again, distinct, np.concatenate(times))


class Runs(NamedTuple):
    """Runs of `n` values of an array, by where each begins."""

    values: npt.NDArray[np.uint32]
    first: npt.NDArray[np.int64]
    n: int

    def are_same(
        self, some: npt.NDArray[np.integer], others: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.bool_]:
        """Whether each of some runs is the same as the one beside it in `others`."""
        import numpy as np

        some, others = self.first[some], self.first[others]
        same = np.ones(len(some), np.bool_)
        for i in range(self.n):
            same &= self.values[some + i] == self.values[others + i]
        return same


def _equal(
    runs: Runs, hashes: npt.NDArray[np.uint32], sizes: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """For each run whether it stands again later in its row; how often the last one stood before.

    Each row has its own stretch of one hash table. All runs write their place at once, and the
    last stands. Who finds the place of an equal run there has its answer; who finds another one
    tries again with another multiplier. Each round answers at least one run of each slot.
    """
    import numpy as np

    bits = np.ceil(np.log2(np.maximum(sizes, 1) * _SLOTS)).astype(np.uint32)
    ends = np.cumsum(np.left_shift(1, bits), dtype=np.uint32)
    table = np.empty(int(ends[-1]), np.int32)
    shift = np.repeat(32 - bits, sizes)
    base = np.repeat(ends - np.left_shift(1, bits).astype(np.uint32), sizes)
    left = np.arange(len(hashes), dtype=np.int32)
    is_again, found = np.zeros(len(hashes), np.bool_), [left[:0]]
    value = hashes
    for spread in cycle(_SPREAD):
        slot = (((value * np.uint32(spread)) >> shift) + base).astype(np.intp)
        table[slot] = left
        holder = table.take(slot)
        odd = np.flatnonzero(holder != left)
        if not len(odd):
            break
        some, others = left[odd], holder[odd]
        same = np.flatnonzero(hashes[others] == value[odd])
        same = same[runs.are_same(some[same], others[same])]
        is_again[some[same]] = True
        found.append(others[same])
        odd = np.delete(odd, same)
        left, value, shift, base = left[odd], value[odd], shift[odd], base[odd]
    return is_again, np.bincount(np.concatenate(found), minlength=len(is_again))


def _hashes(values: npt.NDArray[np.uint32], n: int) -> npt.NDArray[np.uint32]:
    """A hash of the `n` values from each one on: equal runs have equal hashes.

    A polynomial in an odd number modulo 2³², by doubling: H(a + b) of a run is H(a) Bᵇ + H(b).
    """
    import numpy as np

    base = 0x9E3779B1
    doubled, size = values * np.uint32(base) ^ (values >> np.uint32(7)), 1
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
    """Hashes of runs: `n_left` values, then those of `right`; no hash where they do not fit."""
    import numpy as np

    joined = left * np.uint32(power & 0xFFFFFFFF)
    joined[: max(0, len(joined) - n_left)] += right[n_left:]
    return joined
