"""In which tables of equal bits all pairs of 64-bit hashes within a Hamming distance are found.

Cut the bits into b blocks, put the blocks into groups of b1, b2, ... and make a table for each
choice of k blocks of one group: "rows with equal bits in these blocks". A pair that is in no table
differs in at least b_i - k + 1 blocks of each group i, so in at least b - groups * (k - 1) bits.
With b = D + 1 + groups * (k - 1) blocks the tables therefore hold every pair within D bits. One
group is the scheme of Manku et al. ("Detecting near-duplicates for web crawling", WWW 2007); more
groups need far fewer tables for keys little shorter (Turan's construction of graphs and systems
that no set of so many blocks avoids): for D = 8 and k = 3, 55 tables instead of 165.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb
from typing import NamedTuple

BITS = 64
MAX_KEY_BITS = 32
_MAX_GROUPS = 4
_MAX_CHOSEN = 6
_GROUP_NS, _COMPARE_NS = 40, 3
"""To put a row into a table, to compare two hashes; fitted to the sweep in ADR 13. They choose
among tables that all find the same pairs."""


class Table(NamedTuple):
    """The bits that are equal in this table; none: all rows are compared with all."""

    blocks: tuple[tuple[int, int], ...]
    """(first bit, width) of each."""

    @property
    def n_bits(self) -> int:
        """How many bits the key has."""
        return sum(width for _, width in self.blocks)

    @property
    def mask(self) -> int:
        """The bits of the key where they lie in the hash."""
        return sum((1 << width) - 1 << start for start, width in self.blocks)


def choose_tables(distance: int, n_rows: int, n_pairs: int) -> list[Table]:
    """The cheapest tables for grouping `n_rows` evenly spread hashes with `n_pairs` pairs."""
    plans = [(n_pairs * _COMPARE_NS, 0, 0)]
    for n_groups in range(1, _MAX_GROUPS + 1):
        for n_chosen in range(1, _MAX_CHOSEN + 1):
            sizes = _group_sizes(distance, n_groups, n_chosen)
            # Bounded by the widest keys, so that a key always fits.
            n_bits = n_chosen * BITS / sum(sizes)
            if sum(sizes) > BITS or min(sizes) < n_chosen or n_bits > MAX_KEY_BITS - n_chosen:
                continue
            cost = n_rows * _GROUP_NS + n_pairs * _COMPARE_NS / 2**n_bits
            n_tables = sum(comb(size, n_chosen) for size in sizes)
            plans.append((round(cost * n_tables), n_groups, n_chosen))
    _, n_groups, n_chosen = min(plans)
    return list(cut_tables(distance, n_groups, n_chosen)) if n_chosen else [Table(())]


def cut_tables(distance: int, n_groups: int, n_chosen: int) -> Iterator[Table]:
    """The tables of each choice of `n_chosen` blocks of one of `n_groups` groups of blocks.

    Only tables with keys of at most MAX_KEY_BITS can be searched.
    """
    sizes = _group_sizes(distance, n_groups, n_chosen)
    n_blocks = sum(sizes)
    edges = [BITS * i // n_blocks for i in range(n_blocks + 1)]
    blocks = iter([(start, end - start) for start, end in pairwise(edges)])
    for size in sizes:
        group = [next(blocks) for _ in range(size)]
        yield from map(Table, combinations(group, n_chosen))


def _group_sizes(distance: int, n_groups: int, n_chosen: int) -> list[int]:
    n_blocks = distance + 1 + n_groups * (n_chosen - 1)
    return [n_blocks * (i + 1) // n_groups - n_blocks * i // n_groups for i in range(n_groups)]
