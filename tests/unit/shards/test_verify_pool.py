"""A process that is lost costs one answer: by a kill, for lack of memory, or because it hangs."""

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from foreign_tars import many, put
from webpairs_shards.check import foreign, pool
from webpairs_shards.check.pool import CheckPool, Lost, beat
from webpairs_shards.check.verify import verify


def square(n: int) -> int:
    """What a task may do."""
    beat(f"sample {n}")
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if n == 4:
        raise MemoryError
    if n == 5:
        os._exit(7)
    if n == 6:
        return len(bytearray(1 << 50))
    return n * n


def limit(_: int) -> int:
    """Its own limit of memory, in bytes."""
    return resource.getrlimit(resource.RLIMIT_AS)[0]


def hang(n: int) -> int:
    """The second task begins a sample and never comes back."""
    if n == 1:
        beat("the bad one")
        signal.pause()
    return n


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
        assert 0 < next(iter(checks.map([0]))) <= pool.MEMORY_BYTES


def test_an_interrupted_check_leaves_no_process_behind() -> None:
    with pytest.raises(KeyboardInterrupt), CheckPool(hang, 2) as checks:
        assert next(iter(checks.map([0, 1]))) == 0
        processes = [each._process for each in checks._all]
        raise KeyboardInterrupt
    assert not any(process is not None and process.is_alive() for process in processes)


def dies_of_one(job: Path | foreign.ShardTask) -> object:
    """As the real job, but that one shard kills its process."""
    if isinstance(job, foreign.ShardTask) and job.path.name == "00001.tar":
        beat("000000009")
        os.kill(os.getpid(), signal.SIGKILL)
    return foreign.run_job(job)


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(foreign, "run_job", dies_of_one)
    yield


@pytest.mark.usefixtures("deadly")
def test_a_shard_that_kills_its_process_is_named(tmp_path: Path) -> None:
    put(tmp_path, *(many(8 * k) for k in range(4)))
    report = verify(tmp_path, 2)
    [fault] = report.faults
    assert (fault.kind, fault.shard, fault.keys) == ("not_checked", "00001.tar", ("000000009",))
    assert "SIGKILL" in fault.detail
    assert report.n_samples == 24
