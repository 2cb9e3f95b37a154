"""A process that is lost costs one answer: by a kill, for lack of memory, or because it hangs."""

import multiprocessing
from pathlib import Path

import pytest

from check_tasks import dies_of_one, hang, limit, square
from foreign_tars import many, put
from webpairs_shards.check import foreign, pool
from webpairs_shards.check.pool import CheckPool, Lost
from webpairs_shards.check.verify import verify


@pytest.mark.parametrize("workers", [1, 3])
def test_each_loss_costs_one_answer(workers: int) -> None:
    with CheckPool(square, workers) as checks:
        answers = list(checks.map(range(9)))
    killed = "it died of SIGKILL: no memory, or a decoder that crashed"
    assert answers == [
        0,
        1,
        4,
        Lost("sample 3", killed),
        Lost("sample 4", "it ran out of memory"),
        Lost("sample 5", "it ended with code 7"),
        Lost("sample 6", "it ran out of memory"),
        49,
        64,
    ]


def test_a_process_that_hangs_is_ended() -> None:
    with CheckPool(hang, 2, stuck_s=2.0) as checks:
        answers = list(checks.map(range(4)))
    assert answers == [0, Lost("the bad one", "no sample was begun for 2 s"), 2, 3]


def test_processes_have_a_limit_of_memory() -> None:
    with CheckPool(limit, 1) as checks:
        [found] = checks.map([0])
    assert isinstance(found, int)
    assert 0 < found <= pool.MEMORY_BYTES


def _interrupted(checks: CheckPool[int, int]) -> None:
    with checks:
        assert next(iter(checks.map([0, 1]))) == 0
        raise KeyboardInterrupt


def test_an_interrupted_check_leaves_no_process_behind() -> None:
    checks = CheckPool(hang, 2)
    with pytest.raises(KeyboardInterrupt):
        _interrupted(checks)
    assert multiprocessing.active_children() == []


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "run_job", dies_of_one)


@pytest.mark.usefixtures("deadly")
def test_a_shard_that_kills_its_process_is_named(tmp_path: Path) -> None:
    put(tmp_path, *(many(8 * k) for k in range(4)))
    report = verify(tmp_path, 2)
    [fault] = report.faults
    assert (fault.kind, fault.shard, fault.keys) == ("not_checked", "00001.tar", ("000000009",))
    assert "SIGKILL" in fault.detail
    assert report.n_samples == 24
