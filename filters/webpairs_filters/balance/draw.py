"""The lot of a pair and an entry, and what the lots decide.

A lot is 64 bits, made of (seed, key, entry) alone: the same whatever the order of pairs, the parts,
the workers or the order of the entries. A pair stays when for one of its entries its lot is not
over the entry's cutoff; the two rules differ in the cutoff only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webpairs_filters.balance.match import Numbers

Lots = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]

ALL = np.uint64(2**64 - 1)
"""The cutoff that every lot passes."""
_ADD, _TIMES_1, _TIMES_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""SplitMix64's (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014)."""
_CODE_BYTES = 8


class Drawn(NamedTuple):
    """Every match of a batch, flat."""

    rows: npt.NDArray[np.int64]
    """Row of the batch, ascending."""
    entries: Numbers
    lots: Lots


def entry_codes(entries: Sequence[str]) -> Lots:
    """64 bits for each entry, made of its text: the first 8 bytes of its BLAKE2b."""
    joined = b"".join(
        hashlib.blake2b(entry.encode("utf-8"), digest_size=_CODE_BYTES).digest()
        for entry in entries
    )
    return np.frombuffer(joined, "<u8").astype(np.uint64)


def count_matches(matches: pa.ListArray, n_entries: int) -> Counts:
    """How many texts hold each entry. The counts of a corpus are the sum of those of its parts."""
    return np.bincount(matches.flatten().to_numpy(), minlength=n_entries).astype(np.int64)


def draw(keys: pa.Array, matches: pa.ListArray, codes: Lots, seed: int) -> Drawn:
    """The lots of all matches. `keys` are the pairs' (binary, 16 bytes, distinct over the corpus),
    `matches` what `Matcher.match` says of their texts, `codes` the `entry_codes` of its entries."""
    halves = np.frombuffer(b"".join(keys.to_pylist()), "<u8").astype(np.uint64).reshape(-1, 2)
    of_pair = _mix(_mix(_seed_bits(seed) ^ halves[:, 0]) ^ halves[:, 1])
    lengths = matches.value_lengths().to_numpy()
    rows = np.repeat(np.arange(len(matches)), lengths)
    entries = matches.flatten().to_numpy()
    return Drawn(rows, entries, _mix(of_pair[rows] ^ codes[entries]))


def expected_cutoffs(counts: Counts, per_entry: int) -> Lots:
    """MetaCLIP's rule: each match of an entry wins with probability per_entry / count, so that
    `per_entry` is what an entry can expect, not what it cannot pass."""
    cutoffs = np.full(len(counts), ALL)
    head = np.flatnonzero(counts > per_entry)
    # In whole numbers of any size: lot < 2^64 * per_entry / count, without rounding.
    cutoffs[head] = [((per_entry << 64) - 1) // n for n in counts[head].tolist()]
    return cutoffs


def kept_rows(drawn: Drawn, cutoffs: Lots, n_rows: int) -> npt.NDArray[np.bool_]:
    """Which rows of the batch win for one of their entries."""
    kept = np.zeros(n_rows, np.bool_)
    kept[drawn.rows[drawn.lots <= cutoffs[drawn.entries]]] = True
    return kept


def _seed_bits(seed: int) -> Lots:
    return _mix(np.array([seed % 2**64], np.uint64))


def _mix(values: Lots) -> Lots:
    values = values + np.uint64(_ADD)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_TIMES_1)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_TIMES_2)
    return values ^ (values >> np.uint64(31))
