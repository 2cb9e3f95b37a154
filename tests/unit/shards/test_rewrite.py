"""A shard without some samples: the bytes that a writer of the others would have made."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from samples_fixture import build_shards
from webpairs_core.errors import ShardCorrupt
from webpairs_core.files import file_sha256
from webpairs_shards.format.layout import SampleJson
from webpairs_shards.format.manifest import ShardEntry, read_manifest
from webpairs_shards.read.open import open_shards
from webpairs_shards.write.rewrite import Shard, rewrite_shard
from webpairs_shards.write.writer import ShardFiles, write_shard

N = 9
ENDINGS = ("tar", "idx", "parquet")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("rewrite"), N, samples_per_shard=N)


@pytest.fixture
def copy(tmp_path: Path, shards: Path) -> Path:
    return Path(shutil.copytree(shards, tmp_path / "shards"))


def files_in(folder: Path) -> ShardFiles:
    folder.mkdir(exist_ok=True)
    return ShardFiles(*(folder / f"shard-000000.{ending}" for ending in ENDINGS))


def shard_in(folder: Path) -> Shard:
    return Shard(folder, read_manifest(folder).shards[0], "jpg")


def rewritten(folder: Path, target: Path, is_kept: list[bool]) -> ShardEntry:
    shard = shard_in(folder)
    return rewrite_shard(shard, shard.rows(), np.array(is_kept), files_in(target))


@settings(max_examples=30, deadline=None)
@given(is_kept=st.lists(st.booleans(), min_size=N, max_size=N).filter(any))
def test_it_is_what_the_writer_makes_of_the_rest(
    shards: Path, tmp_path_factory: pytest.TempPathFactory, is_kept: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    entry = rewritten(shards, folder / "new", is_kept)
    reader = open_shards(shards)
    samples = [reader.read(i) for i in np.flatnonzero(is_kept).tolist()]
    judged = [(msgspec.json.decode(s.json, type=SampleJson), s.image) for s in samples]
    files = files_in(folder / "writer")
    assert write_shard(files, judged, "jpg") == entry.samples == sum(is_kept)
    digests = (entry.sha256, entry.idx_sha256, entry.parquet_sha256)
    for ending, digest in zip(ENDINGS, digests, strict=True):
        made = (folder / "new" / f"shard-000000.{ending}").read_bytes()
        assert made == getattr(files, ending).read_bytes()
        assert digest == file_sha256(getattr(files, ending))
    assert entry.bytes == files.tar.stat().st_size


def test_with_all_kept_it_is_the_old_one(shards: Path, tmp_path: Path) -> None:
    assert rewritten(shards, tmp_path / "new", [True] * N) == read_manifest(shards).shards[0]


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: _flip(f / "shard-000000.tar", 600), "tar"),  # the first image, which is kept
    (lambda f: _flip(f / "shard-000000.tar", 110), "tar"),  # a header that no checksum covers
    (lambda f: _flip(f / "shard-000000.tar", -5), "tar"),  # the zeros at the end
    (lambda f: (f / "shard-000000.tar").write_bytes(b""), "tar"),
    (lambda f: (f / "shard-000000.tar").unlink(), "tar"),
    (lambda f: _flip(f / "shard-000000.idx", 70), "idx"),
    (lambda f: (f / "shard-000000.idx").unlink(), "idx"),
    (lambda f: _flip(f / "shard-000000.parquet", 60), "parquet"),
    (lambda f: (f / "shard-000000.parquet").unlink(), "parquet"),
]


@pytest.mark.parametrize(("damage", "ending"), DAMAGES)
def test_a_damaged_byte_is_never_signed_anew(
    copy: Path, tmp_path: Path, damage: Callable[[Path], object], ending: str
) -> None:
    damage(copy)
    sentence = rf"shard-000000\.{ending} is not what the manifest says: `webpairs verify"
    with pytest.raises(ShardCorrupt, match=sentence):
        rewritten(copy, tmp_path / "new", [True, False] + [True] * (N - 2))


def test_a_sidecar_of_other_samples_is_refused(shards: Path, tmp_path: Path) -> None:
    """Its digest is the manifest's, and still row i is not sample i: the wrong ones would go."""
    shard = shard_in(shards)
    rows = shard.rows()
    turned = rows.take(list(range(N))[::-1])
    with pytest.raises(ShardCorrupt, match=r"parquet is not what the manifest says"):
        rewrite_shard(shard, turned, np.array([True] * N), files_in(tmp_path / "new"))


def test_an_index_that_lies_about_places_is_refused(copy: Path, tmp_path: Path) -> None:
    """Also one that the manifest signs: the new tar is walked, and must hold what was said."""
    index = copy / "shard-000000.idx"
    _flip(index, 32 + 16 + 24 + 12)  # the CRC-32 of the first sample
    shard = shard_in(copy)
    shard = replace(shard, entry=replace(shard.entry, idx_sha256=file_sha256(index)))
    with pytest.raises(ShardCorrupt, match=r"idx is not what the manifest says"):
        rewrite_shard(shard, shard.rows(), np.array([True] * N), files_in(tmp_path / "new"))
