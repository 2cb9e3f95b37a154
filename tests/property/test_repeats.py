"""The hash table of repeats against a Counter, also when hashes collide on purpose."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_filters.text import repeats as module
from webpairs_filters.text.repeats import repeats

_ROWS = st.lists(st.lists(st.integers(0, 3), max_size=40), max_size=12)


def check(rows: list[list[int]], n: int) -> None:
    values = np.array([value for row in rows for value in row], np.uint32)
    bounds = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    found = repeats(values, bounds, n)
    for i, row in enumerate(rows):
        runs = Counter(tuple(row[k : k + n]) for k in range(len(row) - n + 1))
        several = sorted(times for times in runs.values() if times > 1)
        assert found.n_runs[i] == runs.total()
        assert found.again[i] == runs.total() - len(runs)
        assert found.distinct[i] == len(several)
        for k in (1, 2, 5):
            assert found.most_frequent(i, k) == sum(several[-k:])


@settings(max_examples=200, deadline=None)
@given(_ROWS, st.integers(1, 11))
def test_repeats_are_counted(rows: list[list[int]], n: int) -> None:
    check(rows, n)


@pytest.mark.parametrize("n", [2, 3])
def test_colliding_hashes_change_nothing(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    monkeypatch.setattr(module, "_hashes", lambda values, _: values & np.uint32(1))
    rng = np.random.default_rng(0)
    check([rng.integers(0, 5, size).tolist() for size in (0, 1, 2, 30, 200)], n)


def test_many_rows_fill_several_tables() -> None:
    rng = np.random.default_rng(0)
    sizes = [0, 100_000, 0, *rng.integers(0, 200, 2_000).tolist(), 70_000, 0]
    check([rng.integers(0, 30, size).tolist() for size in sizes], 3)


def test_rows_that_cannot_repeat_are_left_out() -> None:
    values, bounds = np.array([1, 1, 2, 2], np.uint32), np.array([0, 2, 4])
    found = repeats(values, bounds, 1, np.array([False, True]))
    assert found.again.tolist() == [0, 1]
