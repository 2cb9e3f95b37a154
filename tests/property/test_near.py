"""Near duplicates: the fast search finds exactly what looking at all pairs finds."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_filters.duplicates import near, near_pairs
from webpairs_filters.duplicates.near import near_duplicates, nearest_within
from webpairs_filters.duplicates.near_pairs import ROW_BITS, first_within, pairs_within
from webpairs_filters.duplicates.near_tables import (
    BITS,
    MAX_KEY_BITS,
    Table,
    choose_tables,
    cut_tables,
)

Hashes = npt.NDArray[np.uint64]
PLANS = [
    (distance, n_groups, n_chosen)
    for distance in range(9)
    for n_groups in range(1, 5)
    for n_chosen in range(1, 5)
    if distance + 1 + n_groups * (n_chosen - 1) >= n_groups * n_chosen
    and len(tables := list(cut_tables(distance, n_groups, n_chosen))) <= 60
    and max(table.n_bits for table in tables) <= MAX_KEY_BITS
]
"""Distance, groups and chosen blocks: where each group has as many blocks as are chosen and keys
fit. Not those with so many tables that a test would take minutes."""
SIZES = [(300, 45_000), (10**4, 10**8), (10**6, 10**12), (10**7, 10**14)]


def by_walking(phashes: Hashes, rank: npt.NDArray[np.int64], distance: int) -> list[int]:
    kept: list[int] = []
    result = [-1] * len(phashes)
    for row in np.argsort(rank, kind="stable").tolist():
        close = [k for k in kept if int(phashes[row] ^ phashes[k]).bit_count() <= distance]
        if close:
            result[row] = close[0]
        else:
            kept.append(row)
    return result


@st.composite
def crowds(draw: st.DrawFn) -> Hashes:
    """Hashes around a few centres, some bits of each flipped: crowded, with equal ones."""
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    n = draw(st.integers(0, 150))
    max_flips = draw(st.integers(0, 12))
    span = draw(st.sampled_from([8, 20, 64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    hashes = np.array(centres, np.uint64)[rng.integers(0, len(centres), n)]
    for _ in range(max_flips):
        hashes ^= np.uint64(1) << rng.integers(0, span, n).astype(np.uint64)
    return hashes


@contextmanager
def small(rows: int, max_pairs: int, plan: list[Table] | None = None) -> Iterator[None]:
    """Small limits drive few rows through every branch: pieces, chunks, halves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_pairs, "_PIECE_ROWS", rows)
        patch.setattr(near_pairs, "_CHUNK_ROWS", rows)
        patch.setattr(near, "_MAX_PAIRS", max_pairs)
        patch.setattr(near, "_CHUNK_PAIRS", rows)
        if plan is not None:
            patch.setattr(near_pairs, "choose_tables", lambda *_: plan)
        yield


@pytest.mark.parametrize(("rows", "max_pairs"), [(1 << 15, 1 << 23), (32, 1 << 23), (32, 64)])
@given(crowds(), st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_equal_to_a_walk_over_all_pairs(
    rows: int, max_pairs: int, phashes: Hashes, distance: int
) -> None:
    rank = np.random.default_rng(len(phashes)).permutation(len(phashes)).astype(np.int64)
    with small(rows, max_pairs):
        found = near_duplicates(phashes, rank, distance)
    assert found.tolist() == by_walking(phashes, rank, distance)


@given(crowds(), st.sampled_from(PLANS), st.sampled_from([32, 1 << 15]))
@settings(max_examples=60, deadline=None)
def test_each_pair_comes_once_by_any_tables(
    hashes: Hashes, plan: tuple[int, int, int], rows: int
) -> None:
    distance = plan[0]
    near_by = np.bitwise_count(hashes[:, None] ^ hashes) <= distance
    one, other = np.nonzero(np.triu(near_by, 1))
    with small(rows, 0, list(cut_tables(*plan))):
        found = pairs_within(hashes, distance, len(one))
        too_few = pairs_within(hashes, distance, len(one) - 1)
        half, rest = np.array_split(hashes, 2)
        first = first_within(half, rest, distance)
    assert found is not None
    assert found.tolist() == (one << ROW_BITS | other).tolist()
    assert too_few is None or len(one) == 0
    across = np.bitwise_count(rest[:, None] ^ half) <= distance
    assert first.tolist() == [row.tolist().index(True) if any(row) else -1 for row in across]


@pytest.mark.parametrize(("distance", "n_groups", "n_chosen"), PLANS)
def test_no_choice_of_blocks_is_in_every_table(distance: int, n_groups: int, n_chosen: int) -> None:
    # Bits at a distance spoil at most as many blocks: some table must be left without a spoilt one.
    tables = list(cut_tables(distance, n_groups, n_chosen))
    blocks = sorted({block for table in tables for block in table.blocks})
    assert [start for start, _ in blocks] == np.cumsum([0] + [w for _, w in blocks[:-1]]).tolist()
    assert sum(width for _, width in blocks) == BITS
    for spoilt in combinations(blocks, min(distance, len(blocks))):
        assert any(not set(spoilt) & set(table.blocks) for table in tables), spoilt


@pytest.mark.parametrize("distance", range(9))
@pytest.mark.parametrize(("n_rows", "n_pairs"), SIZES)
def test_bits_at_the_cuts(distance: int, n_rows: int, n_pairs: int) -> None:
    """The differing bits lie at the first or the last bit of as many blocks."""
    tables = choose_tables(distance, n_rows, n_pairs)
    assert all(table.n_bits <= 32 for table in tables)
    edges = sorted({bit for t in tables for start, w in t.blocks for bit in (start, start + w - 1)})
    edges = edges or list(range(BITS))
    rng = np.random.default_rng(distance)
    centre = int(rng.integers(0, 2**63))
    spoilt = [rng.choice(edges, distance, replace=False).tolist() for _ in range(50)]
    near_ones = [centre ^ sum(1 << int(bit) for bit in bits) for bits in spoilt]
    beyond = [
        hash_ ^ 1 << next(b for b in range(64) if (hash_ ^ centre) >> b & 1 == 0)
        for hash_ in near_ones
    ]
    with small(1 << 15, 1 << 23, tables):
        for at, past in zip(near_ones, beyond, strict=True):
            found = pairs_within(np.array([at, centre], np.uint64), distance, 1)
            assert found is not None
            assert found.tolist() == [1]
            found = pairs_within(np.array([past, centre], np.uint64), distance, 1)
            assert found is not None
            assert found.tolist() == []


@pytest.mark.parametrize("kind", ["equal", "within two bits", "a tenth blank", "far but crowded"])
@pytest.mark.parametrize("distance", [4, 8])
def test_what_is_held_is_bounded_however_hashes_crowd(
    kind: str, distance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, rows, max_pairs = 1_000, 64, 500
    rng = np.random.default_rng(0)
    flips = [np.uint64(1) << rng.integers(0, 64, n).astype(np.uint64) for _ in range(12)]
    hashes = {
        "equal": np.full(n, 7, np.uint64),
        "within two bits": np.uint64(7) ^ flips[0] ^ flips[1],
        "a tenth blank": np.where(
            np.arange(n) % 10 == 0, np.uint64(7) ^ flips[0], rng.integers(0, 2**64, n, np.uint64)
        ),
        "far but crowded": np.bitwise_xor.reduce([np.full(n, 7, np.uint64), *flips]),
    }[kind]
    held, answers = [], []
    really, gathered = near_pairs.pairs_within, near_pairs._gathered

    def watched(hashes: Hashes, distance: int, limit: int) -> npt.NDArray[np.int64] | None:
        held.append(0)
        return really(hashes, distance, limit)

    def counted(
        matches: Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        for match in gathered(matches):
            answers.append(len(match[0]))
            held[-1] += len(match[0])
            yield match

    monkeypatch.setattr(near, "pairs_within", watched)
    monkeypatch.setattr(near_pairs, "_gathered", counted)
    with small(rows, max_pairs):
        found = near_duplicates(hashes, np.arange(n), distance)
    assert found.tolist() == by_walking(hashes, np.arange(n), distance)
    assert max(answers, default=0) < 2 * rows
    n_tables = len(choose_tables(distance, n, n * n // 2))
    assert max(held) <= (max_pairs + 2 * rows) * n_tables


@given(
    kept=st.lists(st.integers(0, 2**64 - 1), max_size=30),
    noise=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 63), st.integers(0, 63))),
    distance=st.integers(0, 8),
)
def test_the_nearest_is_the_first_of_the_nearest(
    kept: list[int], noise: list[tuple[int, int, int]], distance: int
) -> None:
    pool = [*kept, *(each ^ 1 for each in kept), 0]
    others = [pool[at % len(pool)] ^ (1 << one) ^ (1 << two) for at, one, two in noise]
    wanted = []
    for other in others:
        apart, first = min(((other ^ each).bit_count(), i) for i, each in enumerate(pool))
        wanted.append(first if apart <= distance else -1)
    found = nearest_within(np.array(pool, np.uint64), np.array(others, np.uint64), distance)
    assert found.tolist() == wanted
