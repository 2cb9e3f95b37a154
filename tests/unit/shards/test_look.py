"""The look at a folder of ours before anything starts."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from samples_fixture import build_shards
from webpairs_core.errors import ShardCorrupt
from webpairs_shards.format.index import read_index
from webpairs_shards.read.open import open_shards

TAR = "shard-000001.tar"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("look"), 25, samples_per_shard=10)


@pytest.fixture
def copy(tmp_path: Path, shards: Path) -> Path:
    return Path(shutil.copytree(shards, tmp_path / "shards"))


def _put(part: str, value: bytes, n: int = 8) -> Callable[[Path], object]:
    """Write over the start of a member of the first `n` samples of shard 1; " ": over all of it."""

    def put(folder: Path) -> None:
        records = read_index((folder / TAR).with_suffix(".idx")).records
        with (folder / TAR).open("r+b") as file:
            for record in records[:n]:
                file.seek(int(record[f"{part}_offset"]))
                file.write(value * int(record[f"{part}_bytes"]) if value == b" " else value)

    return put


def _miscount(folder: Path) -> None:
    counts = msgspec.json.decode((folder / "sizes.json").read_bytes()) | {TAR: 7}
    (folder / "sizes.json").write_bytes(msgspec.json.encode(counts))


def _swap_idx(folder: Path) -> None:
    shutil.copy(folder / "shard-000000.idx", folder / "shard-000001.idx")
    os.truncate(folder / "shard-000001.idx", 32 + 64)


AT_FIRST = r"shard-000001\.tar cannot be trained on: of its first 8 samples, the first has "
SEEN = [
    (_put("image", b"\0"), AT_FIRST + "another checksum"),
    (_put("json", b"\0"), AT_FIRST + "another checksum"),
    (_put("text", b"\0"), AT_FIRST + "another checksum"),
    (_swap_idx, r"shard-000001\.idx is cut short or too long"),
    (lambda f: (f / "shard-000001.idx").unlink(), r"shard-000001\.idx is missing"),
    (_miscount, r"sizes\.json counts other samples than the manifest"),
    (lambda f: (f / "sizes.json").write_text("{"), r"sizes\.json is damaged"),
]
UNCHECKED = [
    (_put("image", b"<html>"), AT_FIRST + r"an image that is none \(it starts with b'<h"),
    (_put("image", b"\x89PNG\r\n\x1a\n"), AT_FIRST + "an image that is PNG and not JPEG"),
    (_put("text", b"\xff"), AT_FIRST + "a caption that is not UTF-8"),
    (_put("text", b" "), AT_FIRST + "an empty caption"),
]


@pytest.mark.parametrize(("damage", "sentence"), SEEN)
def test_refused_when_opened(copy: Path, damage: Callable[[Path], object], sentence: str) -> None:
    damage(copy)
    with pytest.raises(ShardCorrupt, match=sentence) as raised:
        open_shards(copy)
    assert f"`webpairs verify {copy}`" in str(raised.value)


@pytest.mark.parametrize(("damage", "sentence"), UNCHECKED)
def test_seen_without_checksums_too(
    copy: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    damage(copy)
    with pytest.raises(ShardCorrupt, match=sentence):
        open_shards(copy, is_checked=False)


def test_a_checksum_is_no_matter_where_none_is_wanted(copy: Path) -> None:
    _put("json", b"[")(copy)
    reader = open_shards(copy, is_checked=False)
    assert reader.read(reader.manifest.shards[0].samples).json.startswith(b"[")


def test_some_damage_is_left_to_the_count(copy: Path) -> None:
    """A few broken samples, the first one among them, do not keep a training from starting."""
    _put("image", b"\0", n=7)(copy)
    assert len(open_shards(copy)) == 25


def test_all_problems_are_counted(copy: Path) -> None:
    _put("image", b"\0")(copy)
    (copy / "shard-000000.tar").unlink()
    os.truncate(copy / "shard-000002.tar", 512)
    _miscount(copy)
    with pytest.raises(ShardCorrupt) as raised:
        open_shards(copy)
    sentence = str(raised.value)
    assert sentence.startswith(f"{copy}/shard-000000.tar is missing")
    assert "; and 3 more: " in sentence
    assert "shard-000002.tar has 512 bytes where the manifest says" in sentence


def test_no_right_to_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("webpairs_shards.stores.look.read_index", refuse)
    with pytest.raises(ShardCorrupt, match=r"shard-000000\.idx cannot be read \(Permission denied"):
        open_shards(copy)
