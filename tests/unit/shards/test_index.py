"""The .idx is what a plain tar reader would find, and damage is named."""

import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from samples_fixture import build_shards
from webpairs_core.errors import SchemaMismatch, ShardCorrupt
from webpairs_shards.format.index import RECORD, read_index, walk_tar


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("index"), 20, samples_per_shard=10)


def test_records_are_what_tarfile_finds(shards: Path) -> None:
    index = read_index(shards / "shard-000001.idx")
    with tarfile.open(shards / "shard-000001.tar") as tar:
        members = {member.name: member for member in tar}
    assert index.image_format == "jpg"
    assert index.tar_bytes == (shards / "shard-000001.tar").stat().st_size
    assert len(index.records) * 3 == len(members)
    for record in index.records:
        key = bytes(record["key"]).hex()
        for part, ending in (("image", "jpg"), ("json", "json"), ("text", "txt")):
            member = members[f"{key}.{ending}"]
            assert record[f"{part}_offset"] == member.offset_data
            assert record[f"{part}_bytes"] == member.size


def test_readable_from_the_format_description_alone(shards: Path) -> None:
    """What shards/README.md says, in struct and nothing else."""
    idx = (shards / "shard-000000.idx").read_bytes()
    tar = (shards / "shard-000000.tar").read_bytes()
    magic, version, n, tar_bytes, ending = struct.unpack_from("<8sIIQ8s", idx)
    assert (magic, version, n, tar_bytes) == (b"wpairidx", 1, 10, len(tar))
    assert ending == b"jpg\0\0\0\0\0"
    assert len(idx) == 32 + 64 * n
    for i in range(n):
        key, *numbers = struct.unpack_from("<16sQQQIIIIQ", idx, 32 + 64 * i)
        image, json, text = (
            tar[offset : offset + size]
            for offset, size in zip(numbers[:3], numbers[3:6], strict=True)
        )
        assert image.startswith(b"\xff\xd8")
        assert image.endswith(b"\xff\xd9")
        assert json.startswith(b'{"key":"' + key.hex().encode())
        assert b'"caption":' in json
        assert text.decode()
        assert numbers[6] == zlib.crc32(image + json + text)
        assert numbers[7] == 0


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: b"", "is not a shard index"),
        (lambda data: b"x" + data[1:], "is not a shard index"),
        (lambda data: data[:-1], "is cut short"),
        (lambda data: data + b"\0" * 64, "is cut short or too long"),
    ],
)
def test_damage_is_named(tmp_path: Path, shards: Path, damage: object, sentence: str) -> None:
    path = tmp_path / "shard-000000.idx"
    assert callable(damage)
    path.write_bytes(damage((shards / path.name).read_bytes()))
    with pytest.raises(ShardCorrupt, match=sentence):
        read_index(path)


def test_another_version_is_refused(tmp_path: Path, shards: Path) -> None:
    path = tmp_path / "shard-000000.idx"
    data = bytearray((shards / path.name).read_bytes())
    data[8] = 2
    path.write_bytes(data)
    with pytest.raises(SchemaMismatch, match="index version 2, this release reads 1"):
        read_index(path)


def test_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShardCorrupt, match=r"none\.idx is missing"):
        read_index(tmp_path / "none.idx")


def test_a_foreign_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no sample")
    with tarfile.open(tmp_path / "foreign.tar", "w") as tar:
        tar.add(tmp_path / "a.txt", "a.txt")
    with pytest.raises(ShardCorrupt, match="is no key"):
        walk_tar(tmp_path / "foreign.tar", "jpg")


def test_a_record_is_64_bytes() -> None:
    assert RECORD.itemsize == 64
    assert np.dtype(RECORD).alignment == 1
