"""The loader's worker processes: who leaves the loop ends them, and they leave nothing behind."""

import gc
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import msgspec
import pytest
import torch

from processes import children, descriptors, mapped_batches, wait_until_gone
from samples_fixture import build_shards
from webpairs_core import errors
from webpairs_core.errors import ShardCorrupt, StorageError, WebpairsError
from webpairs_shards import Mixture, open_shards
from webpairs_shards.batches import Batch, BatchLoader, BatchOptions
from webpairs_shards.loader import workers as loader_module
from webpairs_shards.loader.batch import BatchJob
from webpairs_shards.loader.frame import failed
from webpairs_shards.loader.worker import AHEAD
from webpairs_shards.loader.workers import WorkerBatches

N = 40
OPTIONS = BatchOptions(batch_size=4, image_size=32)
GROUP = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("loader"), N, samples_per_shard=10)


@pytest.fixture(scope="module")
def wanted(folder: Path) -> list[list[str]]:
    """The keys of the first batches, made in this process."""
    mixture = Mixture([(open_shards(folder), 1)])
    keys = [batch["key"] for batch in islice(BatchLoader(mixture, OPTIONS), 12)]
    mixture.readers[0].close()
    return keys


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """After each test this process has the children, files and batches that it had before."""
    gc.collect()
    before = children(), descriptors(), len(mapped_batches())
    yield
    gc.collect()
    assert (children(), descriptors(), len(mapped_batches())) == before


def _loader(folder: Path, workers: int = 2, options: BatchOptions = OPTIONS) -> BatchLoader:
    return BatchLoader(Mixture([(open_shards(folder), 1)]), options, workers)


def _workers(folder: Path, workers: int = 2) -> WorkerBatches:
    return WorkerBatches(BatchJob(Mixture([(open_shards(folder), 1)]), OPTIONS, 0), workers)


def _pids(batches: WorkerBatches) -> list[int]:
    return [worker.process.pid for worker in batches._workers]


def _keys(batches: Iterator[Batch] | BatchLoader, n: int) -> list[list[str]]:
    return [batch["key"] for batch in islice(batches, n)]


def _leave_by_break(loader: BatchLoader) -> None:
    for _ in loader:
        break


def _leave_by_error(loader: BatchLoader) -> None:
    def step() -> None:
        for batch in loader:
            print(len(batch["key"]) / 0)

    with pytest.raises(ZeroDivisionError):
        step()


def _leave_by_interrupt(loader: BatchLoader) -> None:
    def step() -> None:
        for _ in loader:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        step()


def _leave_by_islice(loader: BatchLoader) -> None:
    assert len(list(islice(loader, 3))) == 3


def _leave_by_dropping(loader: BatchLoader) -> None:
    batches = iter(loader)
    next(batches)
    del batches


def _leave_in_a_cycle(loader: BatchLoader) -> None:
    cycle: list[object] = [iter(loader)]
    cycle.append(cycle)
    next(cycle[0])  # type: ignore[call-overload]
    del cycle
    gc.collect()


LEAVE = [
    _leave_by_break,
    _leave_by_error,
    _leave_by_interrupt,
    _leave_by_islice,
    _leave_by_dropping,
    _leave_in_a_cycle,
]


@pytest.mark.parametrize("leave", LEAVE, ids=lambda leave: leave.__name__)
def test_whoever_leaves_the_loop_ends_the_workers(
    folder: Path, leave: Callable[[BatchLoader], None]
) -> None:
    before = children()
    loader = _loader(folder)
    leave(loader)
    assert children() == before
    assert loader.position > 0


def test_the_end_of_the_data_ends_the_workers(folder: Path) -> None:
    before = children()
    options = BatchOptions(batch_size=4, image_size=32, epochs=1)
    loader = _loader(folder, 3, options)
    assert len(list(loader)) == N / 4
    assert children() == before
    assert list(loader) == []  # it stands at the end


def test_iterating_again_goes_on_and_two_loaders_do_not_meet(
    folder: Path, wanted: list[list[str]]
) -> None:
    loader, other = _loader(folder), _loader(folder, 3)
    assert _keys(loader, 4) == wanted[:4]
    assert _keys(loader, 4) == wanted[4:8]
    one, two = iter(loader), iter(other)
    pairs = [(next(one)["key"], next(two)["key"]) for _ in range(4)]
    assert pairs == list(zip(wanted[8:], wanted[:4], strict=True))
    one.close()  # type: ignore[attr-defined]
    assert _keys(two, 2) == wanted[4:6]


def test_a_batch_is_the_workers_memory_until_nobody_holds_it(folder: Path) -> None:
    loader = _loader(folder, 1)
    first, second = islice(loader, 2)
    (line,) = [each for each in mapped_batches() if _holds(each, first["image"])]
    assert line.split()[1] == "rw-p"  # private: what is written here is seen nowhere else
    kept = first["image"][1:2]
    copy = kept.clone()
    first["image"][0] = 7
    del first, second
    gc.collect()
    assert mapped_batches() == [line]
    assert torch.equal(kept, copy)
    del kept
    gc.collect()
    assert mapped_batches() == []


def _holds(line: str, image: torch.Tensor) -> bool:
    start, end = (int(each, 16) for each in line.split()[0].split("-"))
    return start <= image.data_ptr() < end


@contextmanager
def _few_descriptors(n_free: int) -> Iterator[None]:
    """This process can open `n_free` files more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = max(int(link.name) for link in Path("/proc/self/fd").iterdir())
    fillers = [os.dup(1)]
    while fillers[-1] < last:
        fillers.append(os.dup(1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1 + n_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for filler in fillers:
            os.close(filler)


def test_held_batches_need_no_descriptors(folder: Path) -> None:
    loader = _loader(folder)
    with _few_descriptors(20):
        held = list(islice(loader, 100))
    assert len(held) == 100


def test_too_few_descriptors_are_one_sentence(folder: Path) -> None:
    batches, loader = _workers(folder, 1), _loader(folder)
    next(batches)
    with _few_descriptors(0):
        with pytest.raises(StorageError, match=r"ulimit -n"):
            list(islice(batches, AHEAD))
        with pytest.raises(StorageError, match=r"cannot start .* take fewer workers"):
            next(iter(loader))


def test_a_worker_stays_two_batches_ahead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module._Worker, "allow_one_more", lambda _: None)
    batches = _workers(folder, 1)
    for _ in range(AHEAD):
        next(batches)
    batches._workers[0].pipe.settimeout(1)
    with pytest.raises(TimeoutError):
        batches._workers[0].pipe.recv(1)
    batches._workers[0].pipe.send(b"+")
    next(batches)


@pytest.mark.parametrize("name", GROUP)
def test_a_signal_to_the_whole_group_is_the_parents_business(
    folder: Path, wanted: list[list[str]], name: signal.Signals
) -> None:
    batches = _workers(folder)
    for pid in _pids(batches):
        os.kill(pid, name)  # while they start
    next(batches)
    for pid in _pids(batches):
        os.kill(pid, name)
    assert [next(batches)[1].key for _ in range(7)] == wanted[1:8]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(GROUP) == set()


def test_a_dead_worker_is_found_while_another_is_waited_for(folder: Path) -> None:
    batches = _workers(folder)
    next(batches)
    awaited, other = (batches._workers[1], batches._workers[0])
    os.kill(awaited.process.pid, signal.SIGSTOP)
    other.process.kill()
    with pytest.raises(StorageError, match=r"a worker of the loader died \(signal 9, Killed\)"):
        list(islice(batches, AHEAD + 1))


def test_a_dead_worker_is_found_though_somebody_holds_its_pipe(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process does that another thread forked while the worker was started."""
    held: list[socket.socket] = []
    pair = socket.socketpair

    def held_pair(family: int, kind: int) -> tuple[socket.socket, socket.socket]:
        ours, theirs = pair(family, kind)
        held.append(theirs.dup())
        return ours, theirs

    monkeypatch.setattr(socket, "socketpair", held_pair)
    batches = _workers(folder, 1)
    next(batches)
    batches._workers[0].process.kill()
    with pytest.raises(StorageError, match="died"):
        list(islice(batches, AHEAD + 1))
    for end in held:
        end.close()


def test_damage_is_the_same_error_as_without_workers(tmp_path: Path) -> None:
    folder = build_shards(tmp_path, N, samples_per_shard=10)
    whole = (folder / "shard-000001.idx").read_bytes()
    sentences = []
    for workers in (0, 2):
        (folder / "shard-000001.idx").write_bytes(whole)
        loader = _loader(folder, workers)
        (folder / "shard-000001.idx").write_bytes(b"no index")
        with pytest.raises(ShardCorrupt) as raised:
            list(islice(loader, 10))
        loader.mixture.readers[0].close()
        sentences.append(str(raised.value))
    assert sentences[0] == sentences[1]


def test_each_error_comes_over_as_its_class() -> None:
    for name in ("ShardError", "SchemaMismatch", "ShardCorrupt", "StorageError"):
        error = loader_module._error(failed(name, "why"))
        assert type(error) is getattr(errors, name)
        assert str(error) == "why"
    assert type(loader_module._error(failed("NotOfOurs", "why"))) is WebpairsError
    long = failed("ShardError", "shards/\udcff.tar" + "x" * 10**6)  # a name that is not UTF-8
    assert len(msgspec.msgpack.encode(long)) < 2**16


def test_less_than_no_worker_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="-1"):
        _loader(folder, -1)


def test_no_memory_is_one_sentence(folder: Path) -> None:
    options = BatchOptions(batch_size=4, image_size=512)
    job = BatchJob(Mixture([(open_shards(folder), 1)]), options, 0)
    batches = WorkerBatches(job, 1)
    next(batches)
    resource.prlimit(_pids(batches)[0], resource.RLIMIT_AS, (1, resource.RLIM_INFINITY))
    with pytest.raises(StorageError, match=r"no memory .* take fewer workers"):
        list(islice(batches, AHEAD + 1))


def test_a_worker_at_its_end_is_not_a_dead_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader_module, "_LOOK_EVERY_S", 0.1)
    options = BatchOptions(batch_size=N, image_size=32, epochs=1)
    batches = WorkerBatches(BatchJob(Mixture([(open_shards(folder), 1)]), options, 0), 2)
    busy, _ = _pids(batches)  # the other one has nothing to do
    os.kill(busy, signal.SIGSTOP)
    later = threading.Timer(2, os.kill, (busy, signal.SIGCONT))
    later.start()
    assert [len(rows.key) for _, rows in batches] == [N]
    later.join()


def test_what_nobody_foresaw_is_one_sentence_and_a_traceback_on_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = build_shards(tmp_path, N, samples_per_shard=10)
    loader = _loader(folder)
    (folder / "shard-000001.idx").unlink()
    (folder / "shard-000001.idx").mkdir()
    with pytest.raises(WebpairsError, match=r"failed \(IsADirectoryError: .*on stderr$"):
        list(islice(loader, 10))
    assert "IsADirectoryError" in capfd.readouterr().err


def test_workers_read_as_the_reader_was_opened(tmp_path: Path) -> None:
    folder = build_shards(tmp_path, N, samples_per_shard=10)
    tar = folder / "shard-000000.tar"
    data = bytearray(tar.read_bytes())
    reader = open_shards(folder)
    text = reader.read(0).text.encode()
    reader.close()
    data[data.index(text) : data.index(text) + len(text)] = b"x" * len(text)
    tar.write_bytes(data)
    options = BatchOptions(batch_size=4, image_size=32, epochs=1)
    for is_checked, n_seen in ((False, N), (True, N - 1)):
        mixture = Mixture([(open_shards(folder, is_checked=is_checked), 1)])
        loader = BatchLoader(mixture, options, 1)
        assert sum(len(batch["key"]) for batch in loader) == n_seen


_PROGRAM = """
import sys
from webpairs_shards import Mixture, open_shards
from webpairs_shards.batches import BatchLoader, BatchOptions
loader = BatchLoader(
    Mixture([(open_shards({folder!r}), 1)]), BatchOptions(batch_size=4, image_size=32), workers=2
)
batches = iter(loader)
print(len(next(batches)["key"]), flush=True)
"""


def test_a_program_from_stdin_needs_no_guard_and_leaves_nothing_said(folder: Path) -> None:
    """A notebook has no file either. The iterator is still alive when the program ends."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=_PROGRAM.format(folder=str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "4\n", "")


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGINT])
def test_workers_do_not_outlive_their_program(
    folder: Path, tmp_path: Path, way: signal.Signals
) -> None:
    script = tmp_path / "program.py"
    script.write_text(_PROGRAM.format(folder=str(folder)) + "while True: next(batches)\n")
    words = [sys.executable, str(script)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == "4\n"
        workers = children(program.pid)
        assert len(workers) == 2
        if way == signal.SIGKILL:
            program.kill()
        else:
            os.killpg(program.pid, way)  # Ctrl-C
        said = program.stderr.read()  # to the end: workers hold it, too
    assert program.returncode == -way
    assert said.count("Traceback") == (way == signal.SIGINT)
    wait_until_gone(workers)


def test_no_torch_in_the_workers(folder: Path) -> None:
    batches = _workers(folder, 1)
    next(batches)
    maps = Path(f"/proc/{_pids(batches)[0]}/maps").read_text()
    assert "numpy" in maps
    assert "torch" not in maps
