"""The cache of a node: samples are asked for once, the bound holds, damage heals."""

import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from range_server import RangeServer
from samples_fixture import build_shards
from webpairs_shards import Mixture, RemoteOptions, ShardStream, StreamOptions, open_shards
from webpairs_shards.read.reader import ShardReader
from webpairs_shards.read.sample import RawSample
from webpairs_shards.stores.remote import ahead, fetch_ranges
from webpairs_shards.stores.remote.cache import NodeCache

N, PER_SHARD = 60, 12
AMPLE = 10 << 20


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sample is a request of its own; pauses are short."""
    monkeypatch.setattr(ahead, "_GAP_BYTES", 0)
    monkeypatch.setattr(fetch_ranges, "_FIRST_PAUSE_S", 0.001)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("cache"), N, samples_per_shard=PER_SHARD)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("others"), N, samples_per_shard=PER_SHARD, seed=1)


@pytest.fixture
def server(shards: Path) -> Iterator[RangeServer]:
    with RangeServer(shards) as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache"


def opened(server: RangeServer, cache: Path, cache_bytes: int = AMPLE) -> ShardReader:
    return open_shards(server.url, remote=RemoteOptions(cache=cache, cache_bytes=cache_bytes))


def epochs(reader: ShardReader, n: int, seed: int = 0) -> list[RawSample]:
    stream = ShardStream(Mixture([(reader, 1)]), StreamOptions(seed=seed, epochs=n))
    found = list(stream)
    assert not stream.broken
    return found


def used(cache: Path) -> int:
    """What all files say that they take up, which is never less than what they do."""
    facts = [path.stat() for path in cache.rglob("*") if path.parent.name in ("tars", "indexes")]
    assert sum(each.st_blocks * 512 for each in facts) <= sum(
        -(-each.st_size // 4096) * 4096 for each in facts
    )
    return sum(-(-each.st_size // 4096) * 4096 for each in facts)


def tars(cache: Path) -> set[str]:
    return {path.name for path in (cache / "tars").iterdir()}


def n_asked(server: RangeServer, ending: str = ".tar") -> int:
    return sum(n for name, n in server.asked.items() if name.endswith(ending))


def test_each_sample_is_asked_for_once_and_written_once(
    shards: Path, server: RangeServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write = NodeCache.write

    def counted(self: NodeCache, sha256: str, tar_bytes: int, start: int, data: bytes) -> None:
        written.append(start)
        write(self, sha256, tar_bytes, start, data)

    monkeypatch.setattr(NodeCache, "write", counted)
    expected = epochs(open_shards(shards), 3)
    first = opened(server, cache)
    assert epochs(first, 3) == expected
    assert n_asked(server) == N
    second = opened(server, cache)
    assert epochs(second, 3) == expected
    assert (n_asked(server), n_asked(server, ".idx")) == (N, N // PER_SHARD)
    # Once for each time that it was given out: three epochs are one block, and one request each.
    assert len(written) == 3 * N
    for reader in (first, second):
        reader.close()


def test_neighbours_are_kept_too(
    shards: Path, server: RangeServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_GAP_BYTES", 1 << 20)
    reader = opened(server, cache)
    expected = epochs(open_shards(shards), 1)
    for _ in range(2):
        assert epochs(reader, 1) == expected
        assert len(server.ranges) == N // PER_SHARD
    reader.close()


def test_a_cache_that_holds_a_part_keeps_that_part(
    shards: Path, server: RangeServer, cache: Path
) -> None:
    sizes = sorted(path.stat().st_size for path in shards.glob("*.tar"))
    bound = 2 * sizes[-1] + 2 * 4096 + N // PER_SHARD * 4096
    reader = opened(server, cache, bound)
    expected = epochs(open_shards(shards), 1)
    for epoch in range(4):
        assert epochs(reader, 1) == expected
        assert used(cache) <= bound
        if epoch == 0:
            kept = tars(cache)
            assert len(kept) == 2
    assert tars(cache) == kept
    # Two of five shards were asked for once, the others in each epoch.
    assert n_asked(server) == 2 * PER_SHARD + 3 * PER_SHARD * 4
    reader.close()


@pytest.mark.parametrize("bound", [1, 4096, 20_000])
def test_a_cache_that_holds_nothing_is_no_harm(
    shards: Path, server: RangeServer, cache: Path, bound: int
) -> None:
    reader = opened(server, cache, bound)
    assert epochs(reader, 2) == epochs(open_shards(shards), 2)
    assert used(cache) <= bound
    reader.close()


def test_a_dataset_that_nobody_reads_makes_room(
    shards: Path, others: Path, server: RangeServer, cache: Path
) -> None:
    whole = sum(path.stat().st_size for path in shards.glob("*.tar"))
    bound = whole + N // PER_SHARD * 4096 * 3
    with RangeServer(others) as second_server:
        first, second = opened(server, cache, bound), opened(second_server, cache, bound)
        epochs(first, 1)
        mine = tars(cache)
        assert len(mine) == N // PER_SHARD
        assert epochs(second, 1) == epochs(open_shards(others), 1)
        assert mine <= tars(cache)  # it is still being read
        first.close()
        second.close()
        assert epochs(second, 1) == epochs(open_shards(others), 1)
        assert used(cache) <= bound
        assert len(tars(cache) - mine) == N // PER_SHARD
        second.close()


def test_the_shard_that_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    names = [f"{i:064x}" for i in range(4)]
    first = NodeCache(tmp_path, 3 * 4096, names[:3])
    for name in names[:3]:
        first.write(name, 4096, 0, name.encode())
    first.close()
    for name, when in zip(names, (30, 10, 20), strict=False):
        os.utime(tmp_path / "tars" / name, (when, when))
    second = NodeCache(tmp_path, 3 * 4096, names[3:])
    second.write(names[3], 4096, 0, b"new")
    assert tars(tmp_path) == {names[0], names[2], names[3]}
    assert second.read(names[3], 4096, 0, 3) == b"new"
    second.close()


@pytest.mark.parametrize("damage", ["zeros", "flip", "cut", "longer", "gone"])
def test_damage_in_the_cache_heals(
    shards: Path, server: RangeServer, cache: Path, damage: str
) -> None:
    expected = epochs(open_shards(shards), 1)
    reader = opened(server, cache)
    epochs(reader, 1)
    reader.close()
    for path in [*cache.glob("tars/*"), *cache.glob("indexes/*")]:
        data = path.read_bytes()
        if damage == "gone":
            path.unlink()
        elif damage == "zeros":
            path.write_bytes(bytes(len(data)))
        elif damage == "flip":
            path.write_bytes(bytes(byte ^ 1 for byte in data))
        else:
            path.write_bytes(data[: len(data) // 2] if damage == "cut" else data + b"more")
    for _ in range(2):
        assert epochs(reader, 1) == expected
    assert n_asked(server) <= 2 * N
    assert used(cache) <= AMPLE
    reader.close()


def test_what_is_wrong_does_not_stay(shards: Path, server: RangeServer, cache: Path) -> None:
    reader = opened(server, cache)
    server.always = "other"
    broken = list(reader.read_many(np.arange(N)))
    assert {each.reason for each in broken} == {"checksum"}  # type: ignore[union-attr]
    server.always = None
    assert epochs(reader, 1) == epochs(open_shards(shards), 1)
    reader.close()


@pytest.mark.parametrize("call", ["pwrite", "ftruncate", "pread", "fsync"])
def test_a_full_disk_is_one_warning(
    shards: Path,
    server: RangeServer,
    cache: Path,
    call: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = getattr(os, call)
    n_calls = [0]

    def refused(*args: Any) -> Any:
        n_calls[0] += 1
        if n_calls[0] > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    expected = epochs(open_shards(shards), 2)
    reader = opened(server, cache)
    with caplog.at_level(logging.WARNING), monkeypatch.context() as patch:
        patch.setattr(os, call, refused)
        assert epochs(reader, 2) == expected
        reader.close()
    (warning,) = (record.message for record in caplog.records)
    assert "is not used any more: [Errno 28] No space left" in warning
    assert epochs(opened(server, cache), 1) == epochs(open_shards(shards), 1)


def test_a_cache_that_cannot_be_a_folder_is_one_warning(
    shards: Path, server: RangeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    reader = opened(server, tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        assert epochs(reader, 1) == epochs(open_shards(shards), 1)
    assert len(caplog.records) == 1
    reader.close()


def test_files_of_others_in_the_folder_are_left_alone(
    shards: Path, server: RangeServer, cache: Path
) -> None:
    mine = [cache / "notes.txt", cache / "tars" / "holiday.tar"]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(9000))
    reader = opened(server, cache, 30_000)
    assert epochs(reader, 1) == epochs(open_shards(shards), 1)
    assert all(path.stat().st_size == 9000 for path in mine)
    reader.close()
