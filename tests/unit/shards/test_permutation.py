"""The order of an epoch: one to one, its own for each seed and epoch, and not visibly ordered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpairs_shards.read.permutation import permute


def _order(n: int, seed: int = 0, epoch: int = 0) -> list[int]:
    return [int(i) for i in permute(np.arange(n, dtype=np.uint64), n, seed, epoch)]


@given(n=st.integers(1, 3_000), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10**6))
def test_one_to_one(n: int, seed: int, epoch: int) -> None:
    assert sorted(_order(n, seed, epoch)) == list(range(n))


@given(n=st.integers(2**40, 2**60), place=st.integers(0, 2**40 - 1))
def test_inside_for_huge_sets(n: int, place: int) -> None:
    (found,) = permute(np.array([place], np.uint64), n, 1, 2)
    assert 0 <= found < n


def test_input_is_left_alone() -> None:
    numbers = np.arange(10, dtype=np.uint64)
    permute(numbers, 10, 0, 0)
    assert numbers.tolist() == list(range(10))


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    orders = {tuple(_order(100, seed, epoch)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


@pytest.mark.parametrize("n", [3, 4, 5])
def test_small_sets_see_every_order(n: int) -> None:
    seen = {tuple(_order(n, epoch=epoch)) for epoch in range(2_000)}
    factorial = {3: 6, 4: 24, 5: 120}[n]
    assert len(seen) == factorial


def test_looks_unordered() -> None:
    order = np.array(_order(10_000))
    # The correlation of a random order with the places has a standard deviation of 0.01.
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.05


def test_the_order_is_part_of_the_format() -> None:
    """A release that changes it would resume old runs wrongly, so this must not change."""
    assert _order(10, seed=1, epoch=2) == [1, 5, 3, 9, 6, 2, 4, 7, 8, 0]
