"""Shards that change under a running reader: whatever happens to a tar, a sample comes as it was
written or is counted as broken, and never as something else."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from samples_fixture import build_shards
from webpairs_core.errors import ShardCorrupt
from webpairs_shards import Mixture, ShardStream, StreamOptions, open_shards
from webpairs_shards.batches import BatchLoader, BatchOptions
from webpairs_shards.read.sample import RawSample

N, PER_SHARD = 48, 12
SEED = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("change"), N, samples_per_shard=PER_SHARD)


@pytest.fixture(scope="module")
def samples(made: Path) -> list[RawSample]:
    reader = open_shards(made)
    return [reader.read(i) for i in range(N)]


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "shards"))


def _cut(tar: Path) -> None:
    os.truncate(tar, tar.stat().st_size // 2)


def _empty(tar: Path) -> None:
    os.truncate(tar, 0)


def _overwrite(tar: Path) -> None:
    """In place, by the bytes of another shard."""
    other = _other(tar).read_bytes()
    with tar.open("r+b") as file:
        file.write(other)


def _replace(tar: Path) -> None:
    """By another file of this name, as a copy that is finished by a rename does."""
    new = tar.with_suffix(".new")
    shutil.copy(_other(tar), new)
    new.replace(tar)


def _other(tar: Path) -> Path:
    return min(path for path in tar.parent.glob("*.tar") if path != tar)


Change = Callable[[Path], None]
ROUGH: list[tuple[Change, set[str]]] = [
    (_cut, {"cut_short"}),
    (_empty, {"cut_short"}),
    (_overwrite, {"checksum"}),
]
CHANGES: list[tuple[bool, Change, set[str]]] = [
    *((is_open, change, reasons) for is_open in (True, False) for change, reasons in ROUGH),
    # An open file stays what it was when its name goes or leads elsewhere.
    (True, _replace, set()),
    (True, Path.unlink, set()),
    (False, _replace, {"checksum"}),
    (False, Path.unlink, {"missing_tar"}),
]


@pytest.mark.parametrize(("is_open", "change", "reasons"), CHANGES)
def test_a_sample_is_whole_or_counted(
    folder: Path, samples: list[RawSample], is_open: bool, change: Change, reasons: set[str]
) -> None:
    options = StreamOptions(seed=SEED, epochs=1)
    stream = ShardStream(Mixture([(open_shards(folder), 1.0)]), options)
    first = next(stream)
    shard = next(i for i, sample in enumerate(samples) if sample == first) // PER_SHARD
    if not is_open:
        shard = (shard + 1) % (N // PER_SHARD)
    name = f"shard-{shard:06d}"
    change(folder / f"{name}.tar")
    found = [first, *stream]

    by_key = {sample.key: sample for sample in samples}
    assert all(by_key[sample.key] == sample for sample in found)
    assert len(found) + stream.broken.total() == N
    assert {reason for _, reason in stream.broken} == reasons
    assert {shard for shard, _ in stream.broken} == ({name} if reasons else set())
    assert stream.position == N


def test_damage_without_end_stops_the_stream(folder: Path) -> None:
    stream = ShardStream(
        Mixture([(open_shards(folder), 1.0)]), StreamOptions(seed=SEED, max_broken_in_a_row=5)
    )
    next(stream)
    for tar in folder.glob("*.tar"):
        _empty(tar)
    with pytest.raises(ShardCorrupt, match="6 samples in a row are broken"):
        list(stream)


def test_what_comes_back_is_read_again(folder: Path, samples: list[RawSample]) -> None:
    """A state that was taken in the middle of the damage misses nothing after it."""
    mixture = Mixture([(open_shards(folder), 1.0)])
    stream = ShardStream(mixture, StreamOptions(seed=SEED, epochs=1))
    whole = {path: path.read_bytes() for path in folder.glob("*.tar")}
    head = [next(stream) for _ in range(7)]
    for tar in whole:
        _cut(tar)
    while not stream.broken:
        head.append(next(stream))
    state, n_lost = stream.state_dict(), stream.broken.total()
    for tar, data in whole.items():
        tar.write_bytes(data)
    again = ShardStream(mixture, StreamOptions(seed=SEED, epochs=1))
    again.load_state_dict(state)
    tail = list(again)
    assert again.broken == {}
    assert len(head) + n_lost + len(tail) == N
    assert len({sample.key for sample in [*head, *tail]}) == len(head) + len(tail)


@pytest.mark.parametrize("change", [_empty, _overwrite, _replace, Path.unlink])
def test_the_workers_of_a_loader(folder: Path, samples: list[RawSample], change: Change) -> None:
    reader = open_shards(folder)
    last = int(reader.order(SEED, np.arange(N))[-1])  # no worker is there yet after one batch
    options = BatchOptions(batch_size=2, image_size=16, seed=SEED, epochs=1)
    loader = BatchLoader(Mixture([(reader, 1.0)]), options, workers=2)
    batches = iter(loader)
    keys = list(next(batches)["key"])
    name = f"shard-{last // PER_SHARD:06d}"
    change(folder / f"{name}.tar")
    found = {sample.key: sample.json for sample in samples}
    for batch in batches:
        assert [found[key] for key in batch["key"]] == batch["json"]
        keys += batch["key"]
    assert len(keys) == len(set(keys))
    assert len(keys) + loader.broken.total() == N
    assert {shard for shard, _ in loader.broken} <= {name}
    assert loader.broken or change not in (_empty, _overwrite)


def test_an_index_that_goes_is_one_sentence(folder: Path) -> None:
    reader = open_shards(folder)
    (folder / "shard-000001.idx").unlink()
    with pytest.raises(ShardCorrupt, match=r"shard-000001\.idx is missing"):
        reader.read(PER_SHARD)
