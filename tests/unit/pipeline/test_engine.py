"""Units run on a pool that survives its workers."""

from pathlib import Path

import pytest

from engine_units import always_die, die_once, fail, square
from webpairs_core.errors import WebpairsError
from webpairs_pipeline.engine import run_units


@pytest.mark.parametrize("workers", [1, 2])
def test_every_unit_runs_once(workers: int) -> None:
    assert sorted(run_units(square, range(7), workers)) == [n * n for n in range(7)]


def test_a_killed_worker_costs_only_a_repeat(tmp_path: Path) -> None:
    markers = [tmp_path / str(n) for n in range(2)]
    assert sorted(run_units(die_once, markers, 2)) == ["0", "1"]


def test_a_unit_that_always_kills_stops_the_run() -> None:
    with pytest.raises(WebpairsError, match=r"died 3 times, . units are left"):
        list(run_units(always_die, [1, 2], 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_unit_is_raised_as_it_is(workers: int) -> None:
    with pytest.raises(WebpairsError, match="unit two has a reason"):
        list(run_units(fail, [1, 2, 3], workers))
