"""Any sample by number, and loud refusal of what the manifest does not say."""

import shutil
import tarfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from samples_fixture import build_shards
from webpairs_core.errors import SchemaMismatch, ShardCorrupt, ShardError
from webpairs_shards.read.open import open_shards
from webpairs_shards.read.stream import Mixture, ShardStream, StreamOptions


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("reader"), 25, samples_per_shard=10)


@pytest.fixture
def copy(tmp_path: Path, shards: Path) -> Path:
    return Path(shutil.copytree(shards, tmp_path / "shards"))


def test_every_sample_is_the_tars(shards: Path) -> None:
    reader = open_shards(shards)
    number = 0
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            data = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
        for key in dict.fromkeys(name.partition(".")[0] for name in data):
            sample = reader.read(number)
            assert sample.key == key
            assert sample.image == data[f"{key}.jpg"]
            assert sample.json == data[f"{key}.json"]
            assert sample.text == data[f"{key}.txt"].decode()
            number += 1
    assert number == reader.n_samples == 25
    reader.close()


@pytest.mark.parametrize("index", [-1, 25])
def test_no_such_sample(shards: Path, index: int) -> None:
    with pytest.raises(IndexError):
        open_shards(shards).read(index)


@pytest.mark.parametrize("place", [(-1, 0, 1), (0, 1, 1), (0, -1, 2)])
def test_no_such_stream(shards: Path, place: tuple[int, int, int]) -> None:
    start, rank, world = place
    with pytest.raises(ValueError, match="no such stream"):
        next(open_shards(shards).stream(0, start, rank, world))


def test_a_far_position_is_reached_at_once(shards: Path) -> None:
    reader = open_shards(shards)
    far = 10**12
    found = [sample.key for sample in islice(reader.stream(3, start=far), 3)]
    order = reader.order(3, np.arange(far, far + 3))
    assert found == [reader.read(int(i)).key for i in order]


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-512])


def _edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | changes))


DAMAGES: list[tuple[Callable[[Path], object], type[ShardError], str]] = [
    (lambda f: (f / "manifest.json").unlink(), ShardError, r"holds no manifest\.json"),
    (lambda f: _cut(f / "manifest.json"), ShardCorrupt, r"manifest\.json is damaged"),
    (lambda f: _edit_manifest(f, schema="shards/9"), SchemaMismatch, "schema 'shards/9'"),
    (lambda f: _edit_manifest(f, n_samples=26), ShardCorrupt, "counts 26 samples, its shards 25"),
    (lambda f: _edit_manifest(f, n_samples=0, shards=[]), ShardError, "holds no samples"),
    (lambda f: (f / "shard-000001.tar").unlink(), ShardCorrupt, r"shard-000001\.tar is missing"),
    (lambda f: _cut(f / "shard-000001.tar"), ShardCorrupt, "bytes where the manifest says"),
]


@pytest.mark.parametrize(("damage", "error", "sentence"), DAMAGES)
def test_refused_when_opened(
    copy: Path, damage: Callable[[Path], object], error: type[ShardError], sentence: str
) -> None:
    damage(copy)
    with pytest.raises(error, match=sentence):
        open_shards(copy)


def test_no_folder_is_no_shards(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"holds no manifest\.json: give a folder"):
        open_shards(tmp_path / "nothing")


def test_an_idx_of_another_shard_is_refused(copy: Path) -> None:
    shutil.copy(copy / "shard-000002.idx", copy / "shard-000000.idx")
    with pytest.raises(ShardCorrupt, match=r"shard-000000\.idx belongs to another tar"):
        open_shards(copy).read(0)


@pytest.mark.parametrize("part", ["image", "json", "text"])
def test_a_flipped_bit_is_named_when_it_is_read(copy: Path, part: str) -> None:
    reader = open_shards(copy)
    sample = reader.read(12)
    tar = copy / "shard-000001.tar"
    wanted = {"image": sample.image, "json": sample.json, "text": sample.text.encode()}[part]
    _flip(tar, tar.read_bytes().index(wanted) + len(wanted) // 2)
    with pytest.raises(ShardCorrupt, match=f"is damaged in sample {sample.key}"):
        open_shards(copy).read(12)


def test_checksums_may_be_left_out(copy: Path) -> None:
    reader = open_shards(copy)
    sample = reader.read(3)
    tar = copy / "shard-000000.tar"
    _flip(tar, tar.read_bytes().index(sample.image) + 5)
    assert open_shards(copy, is_checked=False).read(3).image != sample.image


def test_what_the_disk_does_not_give_is_a_broken_sample(tmp_path: Path) -> None:
    folder = build_shards(tmp_path, 10, samples_per_shard=5)
    reader = open_shards(folder)
    tar = folder / "shard-000001.tar"
    tar.rename(folder / "away")
    tar.mkdir()
    stream = ShardStream(Mixture([(reader, 1)]), StreamOptions(epochs=1))
    assert len(list(stream)) == 5
    assert stream.broken == {("shard-000001", "unreadable"): 5}
