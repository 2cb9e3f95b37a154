"""Several processes share a cache: within its bound at every moment, each byte right, and a kill
leaves nothing behind that is wrong."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cache_reader import stream_digest
from range_server import RangeServer
from samples_fixture import build_shards
from webpairs_shards import Mixture, ShardStream, StreamOptions, open_shards

N, PER_SHARD = 96, 12
AMPLE = 10 << 20
READER = Path(__file__).parents[1] / "cache_reader.py"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("kill"), N, samples_per_shard=PER_SHARD)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("others"), N, samples_per_shard=PER_SHARD, seed=1)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def start(url: str, cache: Path, *words: int) -> "subprocess.Popen[str]":
    """cache_reader.py with CACHE_BYTES SEED EPOCHS [LIMIT]."""
    command = [sys.executable, str(READER), url, str(cache), *(str(word) for word in words)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end(process: "subprocess.Popen[str]") -> tuple[str, str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip(), err


def expected(folder: Path, seed: int, epochs: int) -> str:
    mixture = Mixture([(open_shards(folder), 1)])
    return stream_digest(ShardStream(mixture, StreamOptions(seed=seed, epochs=epochs)))


def blocks(cache: Path) -> int:
    """Bytes of all files, as long as they say that they are."""
    total = 0
    for path in (*cache.glob("tars/*"), *cache.glob("indexes/*")):
        with suppress(FileNotFoundError):
            total += -(-path.stat().st_size // 4096) * 4096
    return total


@contextmanager
def watched(cache: Path) -> Iterator[list[int]]:
    """What the cache took up, looked at again and again meanwhile."""
    seen: list[int] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            seen.append(blocks(cache))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def asked(server: RangeServer, ending: str) -> list[int]:
    return [n for name, n in server.asked.items() if name.endswith(ending)]


def test_processes_share_it(shards: Path, cache: Path) -> None:
    with RangeServer(shards) as server:
        first = [start(server.url, cache, AMPLE, 7, 1) for _ in range(3)]
        assert {end(each)[0] for each in first} == {expected(shards, 7, 1)}
        # Three at once may ask for a sample before any of them has it, not for an index.
        assert asked(server, ".idx") == [1] * (N // PER_SHARD)
        before = sum(asked(server, ".tar"))
        assert N <= before <= 3 * N
        assert end(start(server.url, cache, AMPLE, 8, 2))[0] == expected(shards, 8, 2)
        assert sum(asked(server, ".tar")) == before


def test_the_bound_holds_whoever_reads(shards: Path, others: Path, cache: Path) -> None:
    bound = 5 * max(path.stat().st_size for path in shards.glob("*.tar"))
    with RangeServer(shards) as server, RangeServer(others) as second, watched(cache) as seen:
        for seed in range(2):
            running = [
                (folder, start(where.url, cache, bound, seed, 1))
                for folder, where in [(shards, server), (others, second)] * 2
            ]
            for folder, process in running:
                assert end(process)[0] == expected(folder, seed, 1)
    assert max(seen) <= bound
    assert max(seen) > bound // 2


def test_kills_leave_nothing_wrong(shards: Path, cache: Path) -> None:
    rng = random.Random(5)
    bound = AMPLE
    with RangeServer(shards) as server:
        server.faults = ["drop"] * 10
        n_killed = 0
        for _ in range(6):
            process = start(server.url, cache, bound, rng.randrange(99), 1)
            wanted = server_progress(server) + rng.randrange(1, 12)
            deadline = time.monotonic() + 60
            while server_progress(server) < wanted and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            n_killed += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert n_killed >= 3
        assert end(start(server.url, cache, bound, 3, 2))[0] == expected(shards, 3, 2)
        assert not list(cache.glob("indexes/*.part"))
        n = sum(asked(server, ".tar"))
        assert end(start(server.url, cache, bound, 4, 1))[0] == expected(shards, 4, 1)
        assert sum(asked(server, ".tar")) == n


def server_progress(server: RangeServer) -> int:
    return server.asked.total()


def test_who_downloads_an_index_is_killed_and_the_next_takes_over(
    shards: Path, cache: Path
) -> None:
    with RangeServer(shards, ".idx") as server:
        server.always = "silent"
        first = start(server.url, cache, AMPLE, 1, 1)
        deadline = time.monotonic() + 60
        while server.n_now == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert list(cache.glob("indexes/*.part"))
        server.always = None
        second = start(server.url, cache, AMPLE, 1, 1)
        first.kill()
        first.communicate()
        assert end(second)[0] == expected(shards, 1, 1)


def test_a_disk_that_takes_no_more_is_one_warning(shards: Path, cache: Path) -> None:
    limit = min(path.stat().st_size for path in shards.glob("*.tar")) - 1
    with RangeServer(shards) as server:
        out, err = end(start(server.url, cache, AMPLE, 1, 2, limit))
        assert out == expected(shards, 1, 2)
        (warning,) = err.splitlines()
        assert "is not used any more: [Errno 27] File too large" in warning
