"""`webpairs pack` as people use it: their folders, tables and tars become shards without fault."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from command import Word, webpairs
from pack_files import image_folder, img2dataset_members, jpeg, samples_of, write_tar
from webpairs_core.files import file_sha256
from webpairs_core.keys import is_validation, pair_key
from webpairs_core.schema import SAMPLES, read_table

pytestmark = pytest.mark.e2e


def _pack(*words: Word) -> dict[str, Any]:
    done = webpairs("pack", *words, "--json").ok()
    result: dict[str, Any] = json.loads(done.out)
    return result


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in folder.iterdir()}


def _funnel(result: dict[str, Any], stage: str) -> dict[str, Any]:
    (funnel,) = result["stages"][stage]["funnels"]
    assert funnel["rows_in"] == funnel["kept"] + sum(funnel["rejected"].values())
    found: dict[str, Any] = funnel
    return found


def test_a_folder_with_every_flaw(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", 30)
    (folder / "cut.jpg").write_bytes(jpeg(99)[:300])
    (folder / "cut.txt").write_text("a cut image")
    (folder / "page.jpg").write_text("<html>")
    (folder / "page.txt").write_text("a page")
    (folder / "bare.jpg").write_bytes(jpeg(98))
    (folder / "away.jpg").symlink_to("/etc/hostname")
    (folder / "away.txt").write_text("a link that leads out")
    shutil.copy(folder / "class 0/0003.jpg", folder / "again.jpg")
    (folder / "again.txt").write_text("a picture,  number 3")
    out = tmp_path / "out"
    result = _pack(folder, "--out", out, "--set", "shards.samples_per_shard=8", "--workers", 2)
    packed = _funnel(result, "fetch")
    assert (packed["stage"], packed["rows_in"], packed["kept"]) == ("pack", 35, 31)
    assert packed["rejected"] == {
        "corrupt": 1,
        "not_image": 1,
        "no_caption": 1,
        "outside_source": 1,
    }
    assert _funnel(result, "plan")["rejected"] == {"duplicate_key": 1}
    webpairs("verify", out / "shards").ok()
    samples = samples_of(out / "shards")
    assert {sample["caption"] for sample in samples.values()} == {
        f"a picture, number {i}" for i in range(30)
    }
    for sample in samples.values():
        assert sample["key"] == pair_key(sample["sha256"], sample["caption"]).hex()
    card = (out / "shards/README.md").read_text()
    assert "packed from files" in card
    assert "The crawl obeyed" not in card
    assert "pack: 35 rows in" in card


def test_where_a_folder_lies_and_how_it_is_cut_change_no_sample(tmp_path: Path) -> None:
    first = image_folder(tmp_path / "a/b c", 23, per_folder=7)
    other = image_folder(tmp_path / "d", 23, per_folder=100)
    for source, name, workers, rows in ((first, "x", 1, 1000), (other, "y", 2, 4)):
        words: list[Word] = ["--set", "name=same", "--set", "shards.samples_per_shard=6"]
        words += ["--set", f"fetch.rows_per_part={rows}", "--workers", workers, "-q"]
        webpairs("pack", source, "--out", tmp_path / name, *words).ok()
    digests = [_digests(tmp_path / name / "shards") for name in "xy"]
    told = ("manifest.json", "README.md", "croissant.json")  # they hold the recipe
    for one in digests:
        for name in told:
            del one[name]
    assert digests[0] == digests[1]
    assert len(digests[0]) > 10


def test_our_own_shards_again_are_the_same(tmp_path: Path) -> None:
    words: list[Word] = ["--set", "shards.samples_per_shard=7", "--set", "seed=5", "-q"]
    tars = [
        write_tar(tmp_path / f"in/{i}.tar", img2dataset_members(range(i * 9, i * 9 + 9)))
        for i in (0, 1)
    ]
    folder = image_folder(tmp_path / "folder", 11)
    webpairs("pack", tars[0].parent, folder, "--out", tmp_path / "a", *words).ok()
    webpairs("pack", tmp_path / "a/shards", "--out", tmp_path / "b", *words).ok()
    first, again = _digests(tmp_path / "a/shards"), _digests(tmp_path / "b/shards")
    assert len(samples_of(tmp_path / "a/shards")) == 29
    for name, digest in first.items():
        if name.startswith("shard-"):
            assert again[name] == digest, name


def test_merge_reshard_and_split(tmp_path: Path) -> None:
    for name, numbers in (("a", range(20)), ("b", range(15, 40))):
        tar = write_tar(tmp_path / f"{name}.tar", img2dataset_members(numbers))
        webpairs("pack", tar, "--out", tmp_path / name, "-q").ok()
    words: list[Word] = ["--set", "shards.samples_per_shard=5", "--set", "shards.validation=0.2"]
    result = _pack(tmp_path / "a/shards", tmp_path / "b/shards", "--out", tmp_path / "c", *words)
    assert _funnel(result, "fetch")["rows_in"] == 45
    assert _funnel(result, "plan")["rejected"] == {"duplicate_key": 5}
    train, validation = (samples_of(tmp_path / "c" / name) for name in ("shards", "validation"))
    assert (len(train) + len(validation), len(train) > len(validation) > 0) == (40, True)
    assert all(is_validation(bytes.fromhex(key), 0.2) for key in validation)
    for name in ("shards", "validation"):
        webpairs("verify", tmp_path / "c" / name).ok()
    # packed again, with another seed: nobody changes sides
    words += ["--set", "seed=9"]
    _pack(tmp_path / "c/shards", tmp_path / "c/validation", "--out", tmp_path / "d", *words)
    assert samples_of(tmp_path / "d/validation") == validation


def test_a_limit_and_filters_of_samples(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", 12)
    (folder / "class 0/0002.txt").write_text("x")
    words: list[Word] = ["--limit", 8, "--set", "fetch.rows_per_part=3"]
    result = _pack(folder, "--out", tmp_path / "out", *words, "--set", "image.min_side_px=10")
    assert _funnel(result, "fetch")["rows_in"] == 8
    captions = {sample["caption"] for sample in samples_of(tmp_path / "out/shards").values()}
    assert captions == {"x", *(f"a picture, number {i}" for i in range(8) if i != 2)}
    strict: list[Word] = ["--set", "image.min_side_px=40", "--set", "image.max_aspect=1"]
    (folder / "small.jpg").write_bytes(jpeg(50, side=39))
    (folder / "small.txt").write_text("a small one")
    result = _pack(folder, "--out", tmp_path / "out", *strict)
    assert _funnel(result, "fetch")["rejected"] == {"side_too_short": 1}
    assert _funnel(result, "fetch")["rows_in"] == 13  # another limit: made anew


def test_signals_in_a_source_count_when_asked(tmp_path: Path) -> None:
    members = list(img2dataset_members(range(2)))
    fields = json.loads(members[1][1]) | {"optout": "robots:gptbot@image"}
    members[1] = (members[1][0], json.dumps(fields).encode())
    tar = write_tar(tmp_path / "a.tar", members)
    assert _funnel(_pack(tar, "--out", tmp_path / "a"), "fetch")["kept"] == 2
    (sample,) = (s for s in samples_of(tmp_path / "a/shards").values() if s["optout"])
    assert sample["optout"] == "robots:gptbot@image"
    words: list[Word] = ["--set", "crawl.optout=default"]
    result = _pack(tar, "--out", tmp_path / "b", *words)
    assert _funnel(result, "fetch")["rejected"] == {"opted_out": 1}


def test_a_blocked_image_leaves_no_hash(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", img2dataset_members(range(3)))
    (tmp_path / "list.txt").write_text(hashlib.md5(jpeg(1)).hexdigest() + "\n")
    words: list[Word] = ["--set", f'blocklist.files=["{tmp_path}/list.txt"]']
    result = _pack(tar, "--out", tmp_path / "out", *words)
    assert _funnel(result, "fetch")["rejected"] == {"blocked": 1}
    (part,) = (tmp_path / "out/samples").glob("*.parquet")
    (row,) = (r for r in read_table(part, SAMPLES).to_pylist() if r["outcome"] == "blocked")
    assert (row["sha256"], row["bytes"], row["phash"], row["length"]) == ("", 0, 0, 0)


def test_the_outcome_rows_are_whole(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", 5)
    (folder / "bare.jpg").write_bytes(jpeg(7))
    _pack(folder, "--out", tmp_path / "out", "--set", "fetch.rows_per_part=4")
    parts = sorted((tmp_path / "out/samples").glob("*.parquet"))
    rows = [row for part in parts for row in read_table(part, SAMPLES).to_pylist()]
    assert [len(read_table(part, SAMPLES)) for part in parts] == [4, 2]
    assert len({row["key"] for row in rows}) == 6
    assert [row["outcome"] for row in rows] == ["no_caption"] + ["ok"] * 5
    assert {(row["original_width"], row["width"], row["format"]) for row in rows[1:]} == {
        (40, 40, "jpeg")
    }


class TestDataPack:
    """Real files that nobody here wrote."""

    def test_product_photographs(self, tmp_path: Path, data_dir: Path) -> None:
        table = data_dir / "photos/grocery-products/captions.jsonl"
        result = _pack(table, "--out", tmp_path / "out", "--workers", 2)
        assert _funnel(result, "fetch")["kept"] == 81
        webpairs("verify", tmp_path / "out/shards").ok()
        lines = [json.loads(line) for line in table.read_text("utf-8").splitlines()]
        samples = samples_of(tmp_path / "out/shards").values()
        labels = {json.loads(sample["extra"])["label"] for sample in samples}
        assert labels == {line["label"] for line in lines}

    def test_emoji_with_a_named_column(self, tmp_path: Path, data_dir: Path) -> None:
        table = data_dir / "emoji/noto/captions.jsonl"
        done = webpairs("pack", table, "--out", tmp_path / "out")
        assert done.code == 2
        assert "--caption-column" in done.sentence
        words: list[Word] = ["--caption-column", "ko", "--limit", 150, "--workers", 2]
        result = _pack(table, "--out", tmp_path / "out", *words)
        assert _funnel(result, "shard")["kept"] == 150
        webpairs("verify", tmp_path / "out/shards").ok()

    def test_hostile_images_stop_nothing(self, tmp_path: Path, data_dir: Path) -> None:
        images = [
            p
            for p in sorted((data_dir / "hostile/pillow").rglob("*"))
            if p.suffix in (".png", ".jpg", ".gif", ".webp", ".tif")
        ]
        lines = [json.dumps({"path": str(path), "text": path.name}) for path in images]
        (tmp_path / "t.jsonl").write_text("\n".join(lines))
        result = _pack(tmp_path / "t.jsonl", "--out", tmp_path / "out", "--workers", 2)
        packed = _funnel(result, "fetch")
        assert packed["rows_in"] == len(images) > 200
        assert packed["kept"] > 50
        assert packed["rejected"]["not_image"] > 10
        webpairs("verify", tmp_path / "out/shards").ok()
