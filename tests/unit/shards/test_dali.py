"""The index that NVIDIA DALI wants, from the index that lies beside each tar."""

import tarfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from samples_fixture import build_shards
from webpairs_core.errors import ShardCorrupt, ShardError
from webpairs_shards.format.index import RECORD
from webpairs_shards.read.dali import dali_index, write_dali_indexes

Members = list[tuple[str, bytes]]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return build_shards(tmp_path, 25, samples_per_shard=10)


def _read_as_dali_does(index: Path, tar: Path) -> list[Members]:
    """By the words of the format: a count, then ending, offset, size and name of each member."""
    first, *lines = index.read_text("ascii").split("\n")
    version, count = first.split(" ")
    assert (version, lines.pop()) == ("v1.2", "")
    assert int(count) == len(lines)
    data = tar.read_bytes()
    samples = []
    for line in lines:
        words = line.split(" ")
        members = zip(words[::4], words[1::4], words[2::4], words[3::4], strict=True)
        sample = []
        for ending, offset, size, name in members:
            assert name.split(".", 1)[1] == ending
            sample.append((name, data[int(offset) : int(offset) + int(size)]))
        samples.append(sample)
    return samples


def _members(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def test_every_member_lies_where_the_index_says(shards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dali/index"
    assert write_dali_indexes(shards, folder) == 3
    assert len(list(folder.iterdir())) == 3
    n = 0
    for tar in sorted(shards.glob("*.tar")):
        samples = _read_as_dali_does(folder / f"{tar.stem}.idx", tar)
        assert [member for sample in samples for member in sample] == _members(tar)
        assert {len(sample) for sample in samples} == {3}
        assert all(len({name.split(".")[0] for name, _ in sample}) == 1 for sample in samples)
        n += len(samples)
    assert n == 25


@pytest.mark.parametrize(
    ("image_format", "line"),
    [
        ("jpg", "jpg 512 7 {k}.jpg json 1536 8 {k}.json txt 2560 9 {k}.txt"),
        ("png", "json 1536 8 {k}.json png 512 7 {k}.png txt 2560 9 {k}.txt"),
        ("webp", "json 1536 8 {k}.json txt 2560 9 {k}.txt webp 512 7 {k}.webp"),
    ],
)
def test_the_text_to_the_letter(image_format: str, line: str) -> None:
    first, second = bytes(range(16)), bytes(range(15, -1, -1))
    places = (512, 1536, 2560, 7, 8, 9, 0, 0)
    records = np.array([(first, *places), (second, *places)], RECORD)
    wanted = ["v1.2 2", *(line.format(k=key.hex()) for key in (first, second))]
    assert dali_index(records, image_format) == "\n".join(wanted) + "\n"


def test_our_own_indexes_are_never_replaced(shards: Path) -> None:
    before = {path: path.read_bytes() for path in shards.iterdir()}
    with pytest.raises(ShardError, match="holds shards, whose own"):
        write_dali_indexes(shards, shards)
    assert {path: path.read_bytes() for path in shards.iterdir()} == before


def test_a_manifest_that_climbs_writes_nothing(shards: Path, tmp_path: Path) -> None:
    manifest = msgspec.json.decode((shards / "manifest.json").read_bytes())
    for ending in ("tar", "idx"):
        (shards / f"shard-000001.{ending}").rename(shards.parent / f"up.{ending}")
    manifest["shards"][1]["name"] = "../up"
    (shards / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    before = (shards.parent / "up.idx").read_bytes()
    folder = shards.parent / "dali"
    with pytest.raises(ShardCorrupt):
        write_dali_indexes(shards, folder)
    assert not folder.exists()
    assert (shards.parent / "up.idx").read_bytes() == before


def test_a_damaged_index_is_no_source_of_another(shards: Path, tmp_path: Path) -> None:
    index = shards / "shard-000002.idx"
    index.write_bytes(index.read_bytes()[:-1])
    with pytest.raises(ShardCorrupt, match=r"shard-000002\.idx is cut short"):
        write_dali_indexes(shards, tmp_path / "dali")
