"""What lies beside the tars: sizes.json, img2dataset's files, the layout of CLIP_benchmark."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foreign_tars import many, picture, put, sample
from webpairs_shards.check.findings import Report
from webpairs_shards.check.verify import verify


def told(report: Report) -> set[tuple[str, str, str]]:
    """Kind, file and detail of each finding that is about what lies beside the tars."""
    return {(found.kind, found.shard, found.detail) for found in report.findings}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return put(tmp_path, *(many(8 * k) for k in range(4)))


@pytest.mark.parametrize("text", ["", "[1]", '{"00000.tar": "x"}', "[" * 100_000, '{"a": null}'])
def test_sizes_that_cannot_be_read(pairs: Path, text: str) -> None:
    (pairs / "sizes.json").write_text(text)
    assert [(f.kind, f.severity) for f in verify(pairs).findings] == [("sizes_broken", "fault")]


def test_sizes_of_a_shard_that_is_not_there(pairs: Path) -> None:
    sizes = json.loads((pairs / "sizes.json").read_text()) | {"00009.tar": 3}
    (pairs / "sizes.json").write_text(json.dumps(sizes))
    [found] = verify(pairs).findings
    assert (found.kind, found.severity, found.keys) == ("sizes_extra", "notice", ("00009.tar",))


def test_a_length_in_place_of_sizes(pairs: Path) -> None:
    (pairs / "sizes.json").unlink()
    (pairs / "__len__").write_text("32\n")
    assert verify(pairs).findings == []
    (pairs / "__len__").write_text("33")
    assert told(verify(pairs)) == {("sizes_wrong", "__len__", "says 33, the tars hold 32")}
    (pairs / "__len__").write_text("many")
    assert [f.kind for f in verify(pairs).faults] == ["sizes_broken"]


def img2dataset(folder: Path, n_shards: int = 4) -> Path:
    """As img2dataset 1.47.0 writes it: keys of nine digits, failures in the Parquet only, null in
    `error_message`, and the statistics last."""
    for k in range(n_shards):
        members: list[tuple[str, bytes]] = []
        rows: list[dict[str, Any]] = []
        for number in range(10):
            key = f"{k:05d}{number:04d}"
            is_ok = number % 4 != 3
            row = {
                "url": f"http://a.example/{key}.jpg",
                "caption": f"picture {key}",
                "key": key,
                "status": "success" if is_ok else "failed_to_download",
                "error_message": None if is_ok else "HTTP Error 404: Not Found",
                "width": 24 if is_ok else None,
                "height": 16 if is_ok else None,
                "original_width": 48 if is_ok else None,
                "original_height": 32 if is_ok else None,
                "exif": "{}" if is_ok else None,
                "sha256": "ab" * 32 if is_ok else None,
            }
            rows.append(row)
            if is_ok:
                members.append((f"{key}.jpg", picture(100 * k + number)))
                members.append((f"{key}.txt", str(row["caption"]).encode()))
                members.append((f"{key}.json", json.dumps(row, indent=4).encode()))
        put(folder, members, sizes=False)
        (folder / "00000.tar").rename(folder / f"{k:05d}.tar.new")
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{k:05d}.parquet")
        stats: dict[str, Any] = {
            "count": 10,
            "successes": 8,
            "failed_to_download": 2,
            "failed_to_resize": 0,
        }
        stats |= {"duration": 1.5, "status_dict": {"success": 8, "HTTP Error 404": 2}}
        (folder / f"{k:05d}_stats.json").write_text(json.dumps(stats, indent=4))
    for path in folder.glob("*.new"):
        path.rename(path.with_suffix(""))
    return folder


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    return img2dataset(tmp_path)


def test_what_img2dataset_made(downloaded: Path) -> None:
    report = verify(downloaded)
    assert (report.layout, report.n_shards, report.n_samples) == ("img2dataset", 4, 32)
    assert told(report) == {("no_sizes", "sizes.json", "")}
    assert report.faults == []


def test_statistics_that_count_otherwise(downloaded: Path) -> None:
    path = downloaded / "00002_stats.json"
    stats = json.loads(path.read_text())
    path.write_text(json.dumps(stats | {"successes": 9}))
    detail = "9 successes, the tar holds 8 samples"
    assert ("stats_disagree", path.name, detail) in told(verify(downloaded))
    path.write_text(json.dumps(stats | {"count": 11}))
    detail = "a count of 11, the Parquet has 10 rows"
    assert ("stats_disagree", path.name, detail) in told(verify(downloaded))


@pytest.mark.parametrize("text", ["", "[]", '{"successes": null, "count": 3}', '{"count": 10}'])
def test_statistics_that_cannot_be_read(downloaded: Path, text: str) -> None:
    (downloaded / "00002_stats.json").write_text(text)
    found = [f for f in verify(downloaded).faults if f.kind == "stats_broken"]
    assert [f.shard for f in found] == ["00002_stats.json"]


def test_a_shard_that_img2dataset_did_not_finish(downloaded: Path) -> None:
    (downloaded / "00003_stats.json").unlink()
    (downloaded / "00001.tar").unlink()
    report = verify(downloaded)
    assert told(report) >= {
        ("stats_missing", "00003.tar", ""),
        ("tar_missing", "00001_stats.json", ""),
    }


def test_a_parquet_with_other_keys(downloaded: Path) -> None:
    path = downloaded / "00001.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[4]["key"] = "000019999"
    rows[5]["status"] = "failed_to_resize"
    pq.write_table(pa.Table.from_pylist(rows), path)
    [found] = verify(downloaded).faults
    assert (found.kind, found.shard, found.n) == ("table_disagrees", "00001.parquet", 3)
    assert found.keys == ("000010004", "000010005", "000019999")
    assert found.detail == "is not in the Parquet"


@pytest.mark.parametrize("how", ["cut", "columns", "empty"])
def test_a_parquet_that_cannot_be_read(downloaded: Path, how: str) -> None:
    path = downloaded / "00001.parquet"
    if how == "columns":
        pq.write_table(pa.table({"url": ["a"]}), path)
    else:
        path.write_bytes(path.read_bytes()[: -20 if how == "cut" else 0])
    assert [(f.kind, f.shard) for f in verify(downloaded).faults] == [("table_broken", path.name)]


def clip_benchmark(root: Path, task: str = "classification") -> Path:
    """As its builder writes it: numbered tars, s0000000.cls, names of the classes beside them."""
    for split, n_shards in (("train", 3), ("test", 2)):
        folder = root / split
        folder.mkdir()
        for k in range(n_shards):
            label = {"cls": str(k).encode(), "txt": None, "json": None}
            if task == "retrieval":
                label = {"txt": b"a cat\na small cat", "json": None}
            members = [one for i in range(6) for one in sample(100 * k + i, **label)]
            put(folder, members, sizes=False)
            (folder / "00000.tar").rename(folder / f"new-{k}")
        for path in folder.glob("new-*"):
            path.rename(folder / f"{path.name[4:]}.tar")
        (folder / "nshards.txt").write_text(f"{n_shards}\n")
    if task == "retrieval":
        (root / "dataset_type.txt").write_text("retrieval\n")
    else:
        (root / "classnames.txt").write_text("cat\ndog\nbird\n")
        (root / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\n")
    return root


@pytest.mark.parametrize("task", ["classification", "retrieval"])
def test_an_evaluation_set(tmp_path: Path, task: str) -> None:
    report = verify(clip_benchmark(tmp_path, task))
    assert (report.layout, report.n_shards, report.n_samples) == ("clip_benchmark", 5, 30)
    assert {found.kind for found in report.findings} - {"caption_breaks"} == set()
    assert report.faults == []


def test_a_wrong_number_of_shards(tmp_path: Path) -> None:
    clip_benchmark(tmp_path)
    (tmp_path / "train/nshards.txt").write_text("4")
    (tmp_path / "test/nshards.txt").unlink()
    assert told(verify(tmp_path)) == {
        ("nshards_wrong", "train/nshards.txt", "says '4', there are 3 tars"),
        ("nshards_wrong", "test/nshards.txt", "is missing or not UTF-8"),
    }


def test_shards_that_are_not_numbered_from_zero(tmp_path: Path) -> None:
    clip_benchmark(tmp_path)
    (tmp_path / "train/1.tar").rename(tmp_path / "train/00001.tar")
    assert told(verify(tmp_path)) == {("nshards_wrong", "train/nshards.txt", "1.tar is missing")}


def test_a_class_without_a_name(tmp_path: Path) -> None:
    clip_benchmark(tmp_path)
    (tmp_path / "classnames.txt").write_text("cat\ndog\n")
    [found] = verify(tmp_path).faults
    assert (found.kind, found.shard, found.n) == ("class_unknown", "train/2.tar", 6)
    assert found.detail == "2 of 2"


def test_labels_and_their_names_are_needed(tmp_path: Path) -> None:
    clip_benchmark(tmp_path)
    (tmp_path / "classnames.txt").write_text("\n")
    members = [*sample(1, txt=None, json=None), *sample(2, txt=None, cls=b"1")]
    put(tmp_path / "test", members, sizes=False)
    (tmp_path / "test/00000.tar").rename(tmp_path / "test/0.tar")
    found = {found.kind for found in verify(tmp_path).faults}
    assert found >= {"classnames_missing", "no_label"}
    assert "no_caption" not in found
