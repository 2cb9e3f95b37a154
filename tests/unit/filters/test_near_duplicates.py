import numpy as np
import pytest

from webpairs_filters.duplicates.near import near_duplicates


def test_no_chains_and_the_first_in_rank_order_wins() -> None:
    phashes = np.array([0b000, 0b001, 0b011, 0b111, 0xFF << 56], np.uint64)
    assert near_duplicates(phashes, np.array([0, 1, 2, 3, 4]), 1).tolist() == [-1, 0, -1, 2, -1]
    assert near_duplicates(phashes, np.array([4, 3, 2, 1, 0]), 1).tolist() == [1, -1, 3, -1, -1]


def test_equal_hashes_follow_the_first_of_them() -> None:
    phashes = np.array([7, 7, 7, 5, 5], np.uint64)
    assert near_duplicates(phashes, np.array([2, 1, 0, 4, 3]), 0).tolist() == [2, 2, -1, 4, -1]
    assert near_duplicates(phashes, np.array([2, 1, 5, 4, 0]), 1).tolist() == [4, 4, 4, 4, -1]


@pytest.mark.parametrize("distance", range(9))
def test_the_distance_is_included_and_one_more_is_not(distance: int) -> None:
    rng = np.random.default_rng(distance)
    centre = int(rng.integers(0, 2**63))
    for _ in range(200):
        bits = rng.choice(64, size=distance + 1, replace=False)
        at = centre ^ sum(1 << int(bit) for bit in bits[:distance])
        beyond = at ^ (1 << int(bits[distance]))
        phashes = np.array([centre, at, *rng.integers(0, 2**63, 600), beyond], np.uint64)
        found = near_duplicates(phashes, np.arange(len(phashes)), distance)
        assert found[1] == 0
        assert found[-1] in (-1, 1) if distance == 0 else found[-1] == -1


def test_a_negative_distance_keeps_all_and_nothing_is_nothing() -> None:
    assert near_duplicates(np.array([1, 1], np.uint64), np.array([0, 1]), -1).tolist() == [-1, -1]
    assert near_duplicates(np.array([], np.uint64), np.array([], np.int64), 4).tolist() == []
