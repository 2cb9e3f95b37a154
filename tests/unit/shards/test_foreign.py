"""Tars of others, opened and streamed as our own are."""

import json
import os
import pickle
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import webdataset

from samples_fixture import build_shards
from tars_of_others import JPEG, image, img2dataset_folder, pair, pairs, write_tar
from webpairs_core.errors import ShardCorrupt, ShardError, StorageError
from webpairs_shards import Mixture, ShardStream, StreamOptions, open_shards
from webpairs_shards.batches import BatchLoader, BatchOptions
from webpairs_shards.stores.foreign.find_tars import Where
from webpairs_shards.stores.foreign.hop import Read
from webpairs_shards.stores.foreign.open import ForeignOptions
from webpairs_shards.stores.foreign.walk import Endings, Walk, walk
from webpairs_shards.stores.local_tars import LocalTars


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return img2dataset_folder(tmp_path_factory.mktemp("foreign") / "data", 4, 25)


def _webdatasets(tars: list[Path]) -> list[tuple[Any, ...]]:
    """What webdataset makes of tars; it has to be read to its end, or it leaves a file open."""
    samples = webdataset.WebDataset([str(tar) for tar in tars], shardshuffle=False)
    return [(s["__key__"], s["jpg"], s["txt"].decode(), s["json"]) for s in samples]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_img2datasets_shards_are_what_webdataset_reads(data: Path) -> None:
    reader = open_shards(f"{data}/{{00000..00003}}.tar")
    assert len(reader) == 100
    ours = [reader.read(i) for i in range(100)]
    assert [(s.key, s.image, s.text, s.json) for s in ours] == _webdatasets(
        sorted(data.glob("*.tar"))
    )
    assert [entry.name for entry in reader.manifest.shards] == ["00000", "00001", "00002", "00003"]
    assert not reader.is_checked
    assert sorted(path.suffix for path in data.iterdir()) == sorted(
        [".json", ".parquet", ".tar"] * 4
    )


def test_every_way_to_name_them_is_the_same_data(data: Path, tmp_path: Path) -> None:
    ways: list[Where] = [
        data,
        str(data),
        f"{data}/*.tar",
        data / "0000{0..3}.tar",
        sorted(data.glob("*.tar")),
    ]
    digests = {Mixture([(open_shards(way), 1)]).digest for way in ways}
    assert len(digests) == 1
    moved = shutil.copytree(data, tmp_path / "moved")
    assert Mixture([(open_shards(moved), 1)]).digest in digests
    assert Mixture([(open_shards(data / "00000.tar"), 1)]).digest not in digests


def _keys(where: Any, n: int, state: dict[str, Any] | None = None, **options: int) -> list[str]:
    stream = ShardStream(Mixture([(open_shards(where), 1)]), StreamOptions(**options))
    if state:
        stream.load_state_dict(state)
    return [sample.key for sample in islice(stream, n)]


def test_ranks_share_an_epoch_and_a_state_goes_on_with_other_ranks(data: Path) -> None:
    whole = _keys(data, 200, seed=3, epochs=2)
    assert sorted(whole[:100]) == sorted(whole[100:]) == sorted(set(whole))
    first = [_keys(data, 10, seed=3, rank=rank, world=4) for rank in range(4)]
    assert [key for step in zip(*first, strict=True) for key in step] == whole[:40]
    stream = ShardStream(Mixture([(open_shards(data), 1)]), StreamOptions(seed=3, rank=3, world=4))
    for _ in range(10):
        next(stream)
    state = json.loads(json.dumps(stream.state_dict()))
    rest = [_keys(data, 20, state, seed=3, rank=rank, world=3) for rank in range(3)]
    assert [key for step in zip(*rest, strict=True) for key in step] == whole[40:100]


def test_a_mixture_of_ours_and_theirs(data: Path, tmp_path: Path) -> None:
    ours = build_shards(tmp_path, 20)
    mixture = Mixture([(open_shards(ours), 2), (open_shards(data), 1)])
    keys = [sample.key for sample in ShardStream(mixture, StreamOptions(epochs=1))]
    assert len(keys) == 140
    assert sum(len(key) == 32 for key in keys) == 40


def test_a_state_of_other_tars_is_refused(data: Path, tmp_path: Path) -> None:
    state = ShardStream(Mixture([(open_shards(data), 1)])).state_dict()
    copy = shutil.copytree(data, tmp_path / "copy")
    write_tar(copy / "00002.tar", pairs(range(7, 32)))
    with pytest.raises(ShardError, match="taken of other shards"):
        ShardStream(Mixture([(open_shards(copy), 1)])).load_state_dict(state)


def test_equal_sizes_with_other_keys_or_places_are_other_data(tmp_path: Path) -> None:
    layouts = [pair("aaa"), pair("bbb"), pair("aaa")[::-1], pair("k" * 30), pair("j" * 30)]
    tars = [write_tar(tmp_path / f"{i}/0.tar", files) for i, files in enumerate(layouts)]
    assert len({tar.stat().st_size for tar in tars}) == 1
    assert len({Mixture([(open_shards(tar), 1)]).digest for tar in tars}) == 5


@pytest.mark.parametrize(
    "key", ["k" * 15, "k" * 16, "d" * 160 + "/" + "k" * 90, "../../etc/x", "캡션/é"]
)
@pytest.mark.parametrize("format", [1, 2])
def test_keys_of_any_length_come_back(tmp_path: Path, key: str, format: int) -> None:
    files = [*pair(f"{key}1", 1), *pair(key, 2), *pair(f"{key}3", 3)]
    reader = open_shards(write_tar(tmp_path / "a.tar", files, format))
    assert [reader.read(i).key for i in range(3)] == [f"{key}1", key, f"{key}3"]
    assert [reader.read(i).text for i in range(3)] == ["caption 1", "caption 2", "caption 3"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    keys = ["\udcff", "\udcff" + "k" * 30, "k" * 15 + "\udcff"]
    files = [(f"{k}.{e}", d) for k in keys for e, d in (("jpg", JPEG), ("txt", b"x"))]
    reader = open_shards(write_tar(tmp_path / "a.tar", files))
    found = [reader.read(i).key for i in range(3)]
    assert found == ["\\xff", "\\xff" + "k" * 30, "k" * 15 + "\\xff"]


def test_members_in_any_order_and_others_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = LocalTars.read

    def counted(tars: LocalTars, number: int, start: int, n_bytes: int) -> bytes:
        asked.append(n_bytes)
        return real(tars, number, start, n_bytes)

    monkeypatch.setattr(LocalTars, "read", counted)
    files = []
    for i in range(6):
        mine = [
            *pair(f"{i}", i),
            (f"{i}.npy", bytes(2_000_000 if i == 1 else 70)),
            (f"{i}.cls", b"1"),
        ]
        files += mine[i:] + mine[:i]
    reader = open_shards(write_tar(tmp_path / "a.tar", files))
    for i in range(6):
        sample = reader.read(i)
        assert (sample.key, sample.image, sample.text) == (f"{i}", image(i), f"caption {i}")
        assert sample.json == b'{"number":%d}' % i
    assert max(asked) < 10_000, "the 2 MB between are nobody's"
    reader.close()


def test_without_json_there_is_none(tmp_path: Path) -> None:
    files = [each for each in pairs(range(3)) if not each[0].endswith("json")]
    assert open_shards(write_tar(tmp_path / "a.tar", files)).read(2).json == b""


def test_broken_samples_are_skipped_and_counted(tmp_path: Path) -> None:
    files = [
        *pair("a", 1),
        ("b.jpg", JPEG),
        ("c.txt", b"no image"),
        ("d.jpg", JPEG),
        ("d.txt", b"\xff\xfe"),
        ("e.jpg", JPEG),
        ("e.txt", b" \n"),
        ("f.jpg", b""),
        ("f.txt", b"empty image"),
        ("README.md", b"no sample at all"),
        ("facts.v2.json", b"{}"),
        *pair("g", 2),
    ]
    mixture = Mixture([(open_shards(write_tar(tmp_path / "a.tar", files)), 1)])
    assert mixture.n_samples == 7
    stream = ShardStream(mixture, StreamOptions(epochs=1))
    assert sorted(sample.key for sample in stream) == ["a", "g"]
    assert stream.broken == {
        ("a", "no_caption"): 2,
        ("a", "no_image"): 2,
        ("a", "not_utf8"): 1,
    }
    with pytest.raises(
        ShardCorrupt, match=r"samples in a row are broken, the last one in a .*\.tar"
    ):
        list(ShardStream(mixture, StreamOptions(epochs=1, max_broken_in_a_row=0)))


def test_a_tar_that_goes_or_shrinks_under_a_reader(data: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data, tmp_path / "copy")
    reader = open_shards(copy)
    (copy / "00001.tar").unlink()
    os.truncate(copy / "00002.tar", 0)
    stream = ShardStream(Mixture([(reader, 1)]), StreamOptions(epochs=1))
    assert len(list(stream)) == 50
    assert stream.broken == {("00001", "missing_tar"): 25, ("00002", "cut_short"): 25}


def test_a_long_key_of_a_tar_that_went_is_its_place(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", pair("k" * 40))
    reader = open_shards(tar)
    tar.unlink()
    with pytest.raises(ShardCorrupt, match=r"a\.tar is missing: copy it again \(\(byte 0\)\)"):
        reader.read(0)


def test_equal_names_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_tar(tmp_path / name / "0.tar", [*pairs(range(3)), ("z.jpg", JPEG)])
    reader = open_shards(f"{tmp_path}/{{one,two}}/0.tar")
    stream = ShardStream(Mixture([(reader, 1)]), StreamOptions(epochs=1))
    list(stream)
    assert stream.broken == {("one/0", "no_caption"): 1, ("two/0", "no_caption"): 1}


def test_a_reader_goes_to_another_process(data: Path, tmp_path: Path) -> None:
    for options in (ForeignOptions(), ForeignOptions(index_cache=tmp_path / "cache")):
        reader = open_shards(data, foreign=options)
        assert reader.read(30).text == "caption 10005"
        size = len(pickle.dumps(reader))
        assert size < (4_000 if options.index_cache else 20_000)
        other = pickle.loads(pickle.dumps(reader))
        assert [other.read(i) for i in range(100)] == [reader.read(i) for i in range(100)]


def _cached(data: Path, cache: Path, **endings: Any) -> list[str]:
    options = ForeignOptions(index_cache=cache, endings=Endings(**endings), threads=3)
    reader = open_shards(data, foreign=options)
    return [reader.read(i).key for i in range(len(reader))]


def test_an_index_is_kept_and_made_again_when_anything_changed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, cache = shutil.copytree(data, tmp_path / "copy"), tmp_path / "deep" / "cache"
    walked: list[int] = []

    def counted(read: Read, n_bytes: int, endings: Endings) -> Walk:
        walked.append(n_bytes)
        return walk(read, n_bytes, endings)

    monkeypatch.setattr("webpairs_shards.stores.foreign.index_cache.walk", counted)
    keys = _cached(copy, cache)
    assert (len(walked), len(list(cache.iterdir()))) == (4, 4)
    assert _cached(copy, cache) == keys
    assert len(walked) == 4
    # Another tar in its place, one whose time alone changed, a damaged index, other endings.
    write_tar(copy / "00000.tar", pairs(range(50, 75)))
    os.utime(copy / "00001.tar", ns=(1, 1))
    changed = _cached(copy, cache)
    assert changed[0] == "000000050"
    assert changed[25:] == keys[25:]
    assert len(walked) == 6
    for number, kept in enumerate(sorted(cache.iterdir())):
        content = bytearray(kept.read_bytes())
        content[-5 if number else 3] ^= 1
        kept.write_bytes(content[: -9 if number == 2 else None])
    assert _cached(copy, cache) == changed
    assert len(walked) == 10
    _cached(copy, cache, images=("jpg",))
    assert len(walked) == 14
    assert len(list(cache.iterdir())) == 8


def test_an_index_that_went_under_a_reader_is_one_sentence(data: Path, tmp_path: Path) -> None:
    reader = open_shards(data, foreign=ForeignOptions(index_cache=tmp_path / "cache"))
    assert reader.read(3).text == "caption 3"
    for kept in (tmp_path / "cache").iterdir():
        kept.unlink()
    assert reader.read(4).text == "caption 4"
    with pytest.raises(ShardCorrupt, match="of the index cache is gone: open the tars again"):
        reader.read(30)


def test_equal_size_and_time_but_another_first_header(tmp_path: Path) -> None:
    tar, cache = write_tar(tmp_path / "a.tar", pair("aaa")), tmp_path / "cache"
    assert _cached(tar, cache) == ["aaa"]
    stat = tar.stat()
    write_tar(tar, pair("bbb"))
    os.utime(tar, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert tar.stat().st_size == stat.st_size
    assert _cached(tar, cache) == ["bbb"]


def test_a_cache_that_cannot_be_written_is_one_sentence(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot keep the index of .*name another index_cache"):
        _cached(data, tmp_path / "file" / "cache")


def test_the_torch_loader_reads_them_in_workers(data: Path) -> None:
    options = BatchOptions(batch_size=8, image_size=32, epochs=1)
    found = []
    for workers in (0, 2):
        loader = BatchLoader(Mixture([(open_shards(data), 1)]), options, workers=workers)
        found.append([key for batch in loader for key in batch["key"]])
        assert not loader.broken
    assert found[0] == found[1]
    assert len(set(found[0])) == 100
