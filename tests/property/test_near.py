"""Near duplicates: the fast search finds exactly what a walk over all pairs finds."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_filters import near
from webpairs_filters.near import near_duplicates


def by_walking(
    phashes: npt.NDArray[np.uint64], rank: npt.NDArray[np.int64], distance: int
) -> list[int]:
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
def crowds(draw: st.DrawFn) -> npt.NDArray[np.uint64]:
    """Hashes around a few centres, some bits of each flipped: crowded, with equal ones."""
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    n = draw(st.integers(0, 300))
    max_flips = draw(st.integers(0, 12))
    span = draw(st.sampled_from([8, 20, 64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    hashes = np.array(centres, np.uint64)[rng.integers(0, len(centres), n)]
    for _ in range(max_flips):
        hashes ^= np.uint64(1) << rng.integers(0, span, n).astype(np.uint64)
    return hashes


@pytest.mark.parametrize(("leaf", "flat"), [(512, 1 << 23), (8, 1 << 23), (8, 64)])
@given(crowds(), st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_equal_to_a_walk_over_all_pairs(
    leaf: int, flat: int, phashes: npt.NDArray[np.uint64], distance: int
) -> None:
    rank = np.random.default_rng(len(phashes)).permutation(len(phashes)).astype(np.int64)
    with pytest.MonkeyPatch.context() as patch:
        # Small limits drive few rows through every branch: tables, halves, pieces.
        patch.setattr(near, "_LEAF_ROWS", leaf)
        patch.setattr(near, "_FLAT_PAIRS", flat)
        patch.setattr(near, "_CHUNK_PAIRS", 32)
        found = near_duplicates(phashes, rank, distance)
    assert found.tolist() == by_walking(phashes, rank, distance)
