"""Shards behind a server: the same samples in the same order, whatever the server does."""

import asyncio
import gc
import logging
import multiprocessing
import pickle
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from range_server import RangeServer
from samples_fixture import build_shards
from webpairs_core.errors import ShardCorrupt, ShardError, StorageError, WebpairsError
from webpairs_shards import Mixture, RemoteOptions, ShardStream, StreamOptions, open_shards
from webpairs_shards.batches import BatchLoader, BatchOptions
from webpairs_shards.read import reader as reader_module
from webpairs_shards.read.reader import ShardReader
from webpairs_shards.read.sample import BrokenSample, RawSample
from webpairs_shards.stores.place import Place
from webpairs_shards.stores.remote import ahead, fetch_ranges, web_source
from webpairs_shards.stores.remote import store as remote_store

N = 90
PER_SHARD = 12
QUICK = RemoteOptions(timeout_s=20, retries=3)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_ranges, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(fetch_ranges, "_LONGEST_PAUSE_S", 0.01)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("remote"), N, samples_per_shard=PER_SHARD)


@pytest.fixture
def server(shards: Path) -> Iterator[RangeServer]:
    with RangeServer(shards) as server:
        yield server


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sample is a request of its own: these shards are so small that all would be one."""
    monkeypatch.setattr(ahead, "_GAP_BYTES", 0)


def stream(reader: ShardReader, **options: Any) -> ShardStream:
    return ShardStream(Mixture([(reader, 1)]), StreamOptions(**options))


def everything(reader: ShardReader) -> list[RawSample | BrokenSample]:
    found = list(reader.read_many(np.arange(reader.n_samples)))
    reader.close()
    return found


@pytest.mark.parametrize("world", [1, 3])
def test_the_order_is_that_of_the_folder(shards: Path, server: RangeServer, world: int) -> None:
    for rank in range(world):
        options: dict[str, Any] = {"seed": 5, "epochs": 4, "rank": rank, "world": world}
        here, there = open_shards(shards), open_shards(server.url)
        expected, found = stream(here, **options), stream(there, **options)
        assert list(found) == list(expected)
        assert (found.position, found.broken) == (expected.position, expected.broken)
        assert list(islice(there.stream(5, 7), 300)) == list(islice(here.stream(5, 7), 300))
        assert there[N - 1] == here[N - 1]
        there.close()
    assert server.asked["manifest.json"] == world


def test_a_state_goes_from_a_folder_to_a_server_and_back(shards: Path, server: RangeServer) -> None:
    here, there = open_shards(shards), open_shards(server.url)
    expected = [sample.key for sample in stream(here, seed=1, epochs=3)]
    found: list[str] = []
    state: dict[str, Any] | None = None
    for reader, n in ((here, 41), (there, 100), (here, 3), (there, 3 * N)):
        going = stream(reader, seed=1, epochs=3)
        if state is not None:
            going.load_state_dict(state)
        found += [sample.key for sample in islice(going, n)]
        state = going.state_dict()
    assert found == expected
    there.close()


def test_a_mixture_of_both(shards: Path, server: RangeServer) -> None:
    def mixed(first: ShardReader, second: ShardReader) -> list[RawSample]:
        mixture = Mixture([(first, 1), (second, 0.5), (first, 2)])
        return list(ShardStream(mixture, StreamOptions(seed=2, epochs=3)))

    here, there = open_shards(shards), open_shards(server.url)
    assert mixed(there, here) == mixed(here, here) == mixed(there, there)
    there.close()


HEALING = ["drop", "reset", "503", "500", "429", "408", "less", "shift", "moved", "whole", "more"]


@pytest.mark.parametrize("fault", HEALING)
def test_a_fault_heals_and_nothing_is_lost(
    shards: Path, server: RangeServer, fault: str, alone: None
) -> None:
    server.faults = [fault, "", fault] * 20
    found = everything(open_shards(server.url, remote=QUICK))
    assert found == everything(open_shards(shards))
    assert not server.faults


def test_all_faults_at_random_heal(shards: Path, server: RangeServer, alone: None) -> None:
    rng = np.random.default_rng(3)
    server.faults = rng.choice([*HEALING, "", ""], 2 * N).tolist()
    reader = open_shards(server.url, remote=RemoteOptions(retries=30, read_ahead=16))
    assert list(stream(reader, epochs=2)) == list(stream(open_shards(shards), epochs=2))
    assert not server.faults
    reader.close()


@pytest.mark.parametrize("fault", ["silent", "stall"])
def test_silence_is_a_fault(shards: Path, server: RangeServer, fault: str) -> None:
    server.faults = [fault, fault]
    reader = open_shards(server.url, remote=RemoteOptions(timeout_s=0.5, retries=2))
    assert reader[3] == open_shards(shards)[3]
    server.always = fault
    with pytest.raises(StorageError, match=r"shard-000000\.tar cannot be read .*tried 3 times"):
        reader.read(4)
    reader.close()


def test_the_server_says_when_to_come_back(shards: Path, server: RangeServer) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def slept(wait_s: float, *rest: Any) -> None:
        waits.append(wait_s)
        await sleep(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", slept)
        server.faults, server.headers = ["429"], ["Retry-After: 33"]
        reader = open_shards(server.url)
        reader.read(0)
    assert [wait_s for wait_s in waits if wait_s >= 1] == [33]
    reader.close()


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Fri, 31 Dec 2999 23:59:59 GMT", 120, 120),
        ("99999", 120, 120),
        ("soon", 0, 0),
        ("-3", 0, 0),
        (None, 0, 0),
    ],
)
def test_retry_after(value: str | None, least: float, most: float) -> None:
    assert least <= web_source._retry_after_s(value) <= most


def test_what_does_not_heal_is_one_sentence_and_the_state_goes_on(
    shards: Path, server: RangeServer, alone: None
) -> None:
    reader = open_shards(server.url, remote=RemoteOptions(retries=2, read_ahead=4))
    going = stream(reader, epochs=1)
    found: list[RawSample] = []
    server.faults = [""] * 30
    server.always = "503"
    with pytest.raises(StorageError, match=r"tar cannot be read \(HTTP 503; tried 3 times\)"):
        found.extend(going)  # extend keeps what came
    assert 0 < len(found) <= 30
    server.always = None
    again = stream(reader, epochs=1)
    again.load_state_dict(going.state_dict())
    assert found + list(again) == list(stream(open_shards(shards), epochs=1))
    reader.close()


@pytest.mark.parametrize("status", ["401", "403"])
def test_forbidden_is_said_at_once(server: RangeServer, status: str) -> None:
    reader = open_shards(server.url)
    server.always = status
    with pytest.raises(StorageError, match=rf"shard-000000\.tar may not be read .*{status}"):
        reader.read(0)
    assert sum(n for name, n in server.asked.items() if name.endswith(".tar")) == 1
    reader.close()


def test_a_tar_that_is_gone_is_counted(tmp_path: Path, shards: Path, server: RangeServer) -> None:
    reader = open_shards(server.url)
    server.always = "404"
    going = stream(reader, epochs=1, max_broken_in_a_row=N)
    assert list(going) == []
    assert {reason for _, reason in going.broken} == {"missing_tar"}
    assert going.broken.total() == N
    reader.close()


def test_a_shard_that_was_replaced_is_counted(shards: Path, server: RangeServer) -> None:
    reader = open_shards(server.url)
    server.always = "other"
    going = stream(reader, epochs=1, max_broken_in_a_row=N)
    assert list(going) == []
    assert {reason for _, reason in going.broken} == {"checksum"}
    with pytest.raises(ShardCorrupt, match=r"shard-000000\.tar is damaged in sample"):
        reader.read(0)
    reader.close()


def test_a_shard_that_was_cut_is_counted(tmp_path: Path) -> None:
    folder = build_shards(tmp_path, 20, samples_per_shard=10)
    tar = folder / "shard-000001.tar"
    expected = everything(open_shards(folder))
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])
    with RangeServer(folder) as server:
        found = everything(open_shards(server.url))
    assert found[:10] == expected[:10]
    broken = [each.reason for each in found if isinstance(each, BrokenSample)]
    assert set(broken) == {"cut_short"}
    assert 3 < len(broken) < 7


def test_compression_on_the_way_is_refused(server: RangeServer) -> None:
    reader = open_shards(server.url)
    server.always = "gzip"
    with pytest.raises(StorageError, match="is sent as gzip, though"):
        reader.read(0)
    reader.close()


def test_a_server_without_ranges(
    shards: Path, server: RangeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.always = "whole"
    reader = open_shards(server.url, remote=QUICK)
    with caplog.at_level(logging.WARNING):
        assert everything(reader) == everything(open_shards(shards))
    (warning,) = (record.message for record in caplog.records)
    assert "127.0.0.1 has no ranges" in warning
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web_source, "_READ_THROUGH_BYTES", 1000)
        with pytest.raises(StorageError, match=r"shard-000000\.tar comes from a server without ra"):
            reader.read(1)
    reader.close()


def test_requests_are_in_flight_together(server: RangeServer, alone: None) -> None:
    server.gate = 24
    reader = open_shards(server.url, remote=RemoteOptions(read_ahead=24))
    keys = [sample.key for sample in stream(reader, epochs=1)]
    assert len(set(keys)) == N
    assert server.n_most == 24
    reader.close()


def test_each_sample_that_is_used_lets_another_be_asked_for(
    server: RangeServer, alone: None
) -> None:
    reader = open_shards(server.url, remote=RemoteOptions(read_ahead=8))
    going = stream(reader, epochs=1)
    for n_used in range(1, 9):
        next(going)
        deadline = time.monotonic() + 20
        while len(server.ranges) < 8 + n_used:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert len(server.ranges) == 8 + n_used
    reader.close()


def test_what_was_not_announced_is_read_all_the_same(shards: Path, server: RangeServer) -> None:
    reader = open_shards(server.url)
    read = reader._store.reading([])
    tar = (shards / "shard-000001.tar").read_bytes()
    assert read(1, 700, 50) == tar[700:750]
    assert read(1, len(tar) - 10, 50) == tar[-10:]
    assert read(1, len(tar) + 10, 50) == b""
    reader.close()


def test_what_is_needed_first_is_asked_for_first() -> None:
    def place(shard: int, start: int) -> Place:
        return shard, b"", 0, start, 100, (0, 0, 0, 0, 0, 0)

    wanted = [place(2, 500), place(0, 0), place(1, 900), place(2, 0), place(0, 10**6)]
    requests = ahead.Announcement(wanted).waiting
    assert [(each.shard, each.start, each.n_bytes) for each in requests] == [
        (2, 0, 600),
        (0, 0, 100),
        (1, 900, 100),
        (0, 10**6, 100),
    ]


def test_indexes_are_in_flight_together(shards: Path) -> None:
    with RangeServer(shards, ".idx") as server:
        server.gate = n_shards = -(-N // PER_SHARD)
        reader = open_shards(server.url)
        next(stream(reader))
        assert server.n_most == n_shards
        assert sum(n for name, n in server.asked.items() if name.endswith(".idx")) == n_shards
        reader.close()


def test_the_next_block_is_asked_for_before_this_one_is_used(
    server: RangeServer, alone: None
) -> None:
    reader = open_shards(server.url, remote=RemoteOptions(read_ahead=300))
    going = stream(reader)
    next(going)
    # A block is 256 samples, here all there are, some more than once.
    for _ in range(200):
        next(going)
    assert len(server.ranges) > N
    reader.close()


def test_neighbours_are_one_request(shards: Path, server: RangeServer) -> None:
    reader = open_shards(server.url)
    assert everything(reader) == everything(open_shards(shards))
    assert len(server.ranges) == -(-N // PER_SHARD)
    assert all(start == 512 for _, start, _ in server.ranges)


def test_who_gives_up_takes_nothing_from_the_next(server: RangeServer, alone: None) -> None:
    reader = open_shards(server.url, remote=RemoteOptions(read_ahead=8))
    left = [stream(reader, seed=seed) for seed in range(5)]
    for each in left:
        next(each)
    server.shut(8)
    assert len(list(stream(reader, seed=9, epochs=1))) == N
    reader.close()


def test_a_stream_outlives_the_close_of_its_reader(
    shards: Path, server: RangeServer, alone: None
) -> None:
    reader = open_shards(server.url, remote=RemoteOptions(read_ahead=8))
    going, found = stream(reader, epochs=1), []
    for sample in going:
        found.append(sample)
        if len(found) % 20 == 0:
            reader.close()
    assert found == list(stream(open_shards(shards), epochs=1))
    reader.close()


def test_no_request_is_made_twice(server: RangeServer, alone: None) -> None:
    reader = open_shards(server.url, remote=RemoteOptions(read_ahead=8))
    assert len(list(stream(reader, epochs=1))) == N
    assert len(server.ranges) == len(set(server.ranges)) == N
    reader.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_over_a_url(shards: Path, server: RangeServer, workers: int) -> None:
    options = BatchOptions(batch_size=8, image_size=32, epochs=1)

    def batches(reader: ShardReader, workers: int) -> list[list[str]]:
        loader = BatchLoader(Mixture([(reader, 1)]), options, workers)
        return [batch["key"] for batch in loader]

    there = open_shards(server.url)
    there.read(0)  # its loop runs when the workers are made
    assert batches(there, workers) == batches(open_shards(shards), 0)
    there.close()


def test_a_fork_in_the_middle_of_a_stream_harms_neither(
    shards: Path, server: RangeServer, alone: None
) -> None:
    reader = open_shards(server.url, remote=RemoteOptions(read_ahead=8))
    expected = [sample.key for sample in stream(open_shards(shards), epochs=1)]
    going = stream(reader, epochs=1)
    found = [next(going).key for _ in range(10)]
    here, there = multiprocessing.Pipe()

    def child() -> None:
        there.send([sample.key for sample in stream(reader, epochs=1)])

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    found += [sample.key for sample in going]
    assert here.poll(30)
    assert here.recv() == found == expected
    process.join()
    assert process.exitcode == 0
    reader.close()


def test_a_mixture_goes_to_another_process_as_it_is(
    shards: Path, server: RangeServer, tmp_path: Path
) -> None:
    remote = RemoteOptions(cache=tmp_path, cache_bytes=10 << 20)
    reader = open_shards(server.url, remote=remote)
    mixture = Mixture([(reader, 1)])
    next(ShardStream(mixture))
    pickled = pickle.dumps(mixture)
    assert len(pickled) < 10_000
    again = pickle.loads(pickled)
    assert again.digest == mixture.digest
    options = StreamOptions(seed=2, epochs=1)
    expected = list(stream(open_shards(shards), seed=2, epochs=1))
    assert list(ShardStream(again, options)) == expected == list(ShardStream(mixture, options))
    assert server.asked["manifest.json"] == 1
    for each in (reader, *again.readers):
        each.close()


def test_a_reader_that_nobody_holds_ends_its_thread(server: RangeServer) -> None:
    before = set(threading.enumerate())
    reader = open_shards(server.url)
    next(stream(reader))
    threads = set(threading.enumerate()) - before
    assert threads
    del reader
    gc.collect()
    assert not any(thread.is_alive() for thread in threads)


def test_a_reader_can_be_closed_and_sent_to_another_process(server: RangeServer) -> None:
    reader = open_shards(server.url, is_checked=False, remote=QUICK)
    again = pickle.loads(pickle.dumps(reader))
    assert again.is_checked is False
    assert again[5] == reader[5]
    for each in (reader, again):
        each.close()
    assert reader[5] == again[5]  # what is closed opens when it is needed
    for each in (reader, again):
        each.close()


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    folder = build_shards(tmp_path, 20, samples_per_shard=10)
    path = folder / "shard-000001.idx"
    data = path.read_bytes()
    damages: list[tuple[bytes | None, str]] = [
        (data[:-64] + bytes(64), r"shard-000001\.idx is not the index that the manifest names"),
        (data[:-64], r"shard-000001\.idx is not the index that the manifest names"),
        (None, r"shard-000001\.idx is missing"),
    ]
    for damage, sentence in damages:
        path.unlink(missing_ok=True)
        if damage is not None:
            path.write_bytes(damage)
        with RangeServer(folder) as server:
            reader = open_shards(server.url)
            assert reader[3].key
            with pytest.raises(ShardCorrupt, match=sentence):
                reader.read(15)
            reader.close()


def test_what_cannot_be_opened(
    tmp_path: Path, server: RangeServer, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[tuple[str, type[WebpairsError], str]] = [
        (f"http://127.0.0.1:{free_port}/x", StorageError, "cannot be read .*tried 4 times"),
        ("gs://bucket/shards", ShardError, "give a folder, an http"),
        ("http:///shards", ShardError, "names no host"),
        ("http://me:secret@127.0.0.1/shards", ShardError, "holds a password"),
        ("s3://", ShardError, "names no bucket"),
    ]
    for url, error, sentence in refused:
        with pytest.raises(error, match=sentence) as raised:
            open_shards(url)
        assert "secret" not in str(raised.value)
    with RangeServer(tmp_path) as empty, pytest.raises(ShardError, match=r"manifest\.json is not"):
        open_shards(empty.url)
    manifest = msgspec.json.decode((server.folder / "manifest.json").read_bytes())
    nothing = msgspec.json.encode(manifest | {"n_samples": 0, "shards": []})
    (tmp_path / "manifest.json").write_bytes(nothing)
    with RangeServer(tmp_path) as empty, pytest.raises(ShardError, match="holds no samples"):
        open_shards(empty.url)
    (tmp_path / "manifest.json").write_text("{")
    with RangeServer(tmp_path) as broken, pytest.raises(ShardCorrupt, match=r"json is damaged"):
        open_shards(broken.url)


def test_indexes_that_do_not_fit_are_said(
    shards: Path, server: RangeServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING):
        for module in (reader_module, remote_store):
            patch.setattr(module, "HELD_RECORDS", 2 * PER_SHARD)
        for remote in (None, RemoteOptions(cache=tmp_path, cache_bytes=1 << 20)):
            reader = open_shards(server.url, remote=remote)
            assert list(stream(reader, epochs=1)) == list(stream(open_shards(shards), epochs=1))
            reader.close()
    (warning,) = (record.message for record in caplog.records)
    assert "manifest.json do not fit into memory" in warning


def test_a_query_goes_with_each_request_and_into_no_sentence(server: RangeServer) -> None:
    reader = open_shards(f"{server.url}/?token=a%2Bb")
    assert reader[0].key
    assert len(server.targets) == 3
    assert all(target.endswith("?token=a%2Bb") for target in server.targets)
    server.always = "403"
    with pytest.raises(StorageError) as raised:
        reader.read(1)
    assert "token" not in str(raised.value)
    reader.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"read_ahead": 0},
        {"retries": -1},
        {"timeout_s": 0},
        {"cache": Path("x")},
        {"cache_bytes": 5},
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no such reading|a cache needs"):
        RemoteOptions(**wrong)
