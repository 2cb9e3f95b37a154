"""The tars of others: what is said of each fault, where, and how often."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from foreign_tars import CASES, many, picture, put, sample, tar_bytes
from webpairs_shards.check.findings import N_PLACES, Report, Seen, Tally
from webpairs_shards.check.samples import split_name
from webpairs_shards.check.verify import verify

SAID: dict[str, set[tuple[str, str, int]]] = {
    # kind, file and first key, count: without the counts of sizes.json
    "sound": set(),
    "gzip": set(),
    "upper": set(),
    "json_float_int": set(),
    "json_text_null": set(),
    "some_without_caption": {
        ("no_caption", "00002.tar 000000020", 1),
        ("missing_member", "00002.tar 000000020", 1),
    },
    "some_captions_empty": {("empty_caption", "00002.tar 000000020", 1)},
    "not_utf8": {("caption_not_utf8", "00002.tar 000000020", 1)},
    "not_nfc": {("caption_not_nfc", "00002.tar 000000020", 1)},
    "cut": {("cut_tar", "00001.tar 000000010", 1)},
    "no_end": {("no_end", "00001.tar 000000011", 1)},
    "bad_header": {("bad_header", "00001.tar 000000011", 1)},
    "glued": {("after_end", "00001.tar 000000015", 1)},
    "empty_tar": {("empty_tar", "00001.tar", 1)},
    "zero_bytes": {("empty_file", "00001.tar", 1)},
    "not_a_tar": {("not_a_tar", "00001.tar", 1)},
    "member_twice": {("member_twice", "00001.tar 000000015", 1)},
    "mixed_images": {("first_members_differ", "00000.tar 000000001", 1)},
    "webp_later": {
        ("new_member", "00002.tar 000000020", 1),
        ("missing_member", "00002.tar 000000020", 1),
    },
    "json_broken": {("json_broken", "00002.tar 000000020", 1)},
    "json_new_key": {("json_new_key", "00002.tar 000000020", 1)},
    "json_lost_key": {("json_lost_key", "00002.tar 000000020", 1)},
    "json_int_half": {("json_rounded", "00002.tar 000000020", 1)},
    "json_nested": {("json_rounded", "00002.tar 000000020", 1)},
    "json_null_text": {("json_null_first", "00002.tar 000000020", 1)},
    "json_int_text": {("json_other_type", "00002.tar 000000020", 1)},
    "json_text_int": {("json_turned", "00002.tar 000000020", 1)},
    "json_mixed_first": {("first_types_differ", "00000.tar 000000002", 1)},
    "json_int_huge": {("json_too_big", "00002.tar 000000020", 1)},
    "cls_word": {("cls_not_number", "00002.tar 000000020", 1)},
    "sizes_wrong": {("sizes_wrong", "sizes.json 00001.tar", 1)},
    "sizes_short": {("sizes_incomplete", "sizes.json 00002.tar", 2)},
    "no_sizes": {("no_sizes", "sizes.json", 1)},
}
"""Where only one thing is wrong. What many samples share stands in tests of its own."""


def said(report: Report, *without: str) -> set[tuple[str, str, int]]:
    return {
        (found.kind, " ".join([found.shard, *found.keys[:1]]), found.n)
        for found in report.findings
        if found.kind not in without
    }


@pytest.mark.parametrize("name", SAID)
def test_one_fault(tmp_path: Path, name: str) -> None:
    CASES[name](tmp_path)
    is_about_sizes = name.startswith(("sizes", "no_sizes"))
    report = verify(tmp_path)
    assert said(report, *([] if is_about_sizes else ["sizes_wrong"])) == SAID[name]
    assert report.layout == "webdataset"
    assert report.n_shards == 4


def kinds(report: Report) -> dict[str, int]:
    counted: dict[str, int] = {}
    for found in report.findings:
        counted[found.kind] = counted.get(found.kind, 0) + found.n
    return counted


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no_captions", {"no_caption": 32, "nothing_to_train_on": 1}),
        ("no_images", {"no_image": 32, "nothing_to_train_on": 1}),
        ("gif", {"no_image": 32, "nothing_to_train_on": 1}),
        ("broken_images", {"image_broken": 10, "equal_images": 9}),
        ("captions_empty", {"empty_caption": 32}),
        ("climbing", {"climbing_name": 96}),
        ("border", {"key_at_border": 3, "key_in_shards": 3, "equal_images": 3}),
    ],
)
def test_a_fault_of_many(tmp_path: Path, name: str, expected: dict[str, int]) -> None:
    CASES[name](tmp_path)
    assert kinds(verify(tmp_path)) == expected


def test_samples_in_pieces(tmp_path: Path) -> None:
    CASES["apart"](tmp_path)
    found = kinds(verify(tmp_path))
    assert found["split_sample"] == 32
    assert found["nothing_to_train_on"] == 1


def test_names_with_dots(tmp_path: Path) -> None:
    CASES["dotted"](tmp_path)
    report = verify(tmp_path)
    found = kinds(report)
    assert found["dotted_key"] == 4
    assert "no_image" not in found
    assert report.n_samples == 4


def test_an_ending_of_two_parts_beside_the_image_is_meant(tmp_path: Path) -> None:
    members = [one for i in range(4) for one in sample(i, **{"seg.png": picture(i, "PNG")})]
    put(tmp_path, members)
    assert kinds(verify(tmp_path)) == {"few_shards": 1, "sizes_wrong": 1}


def test_a_shard_that_ends_inside_of_a_sample(tmp_path: Path) -> None:
    CASES["half_border"](tmp_path)
    report = verify(tmp_path)
    [first, second] = [f for f in report.faults if f.kind == "sample_across_shards"]
    assert (first.shard, first.keys) == ("00000.tar", ("000000007",))
    assert (second.shard, second.keys) == ("00001.tar", ("000000014",))
    assert first.detail == "00001.tar begins with it"


def test_links_are_said_to_be_none_that_readers_see(tmp_path: Path) -> None:
    CASES["linked"](tmp_path)
    found = kinds(verify(tmp_path))
    assert found == {
        "not_a_file": 8,
        "no_image": 8,
        "missing_member": 8,
        "shard_without_pairs": 1,
    }


def test_all_samples_of_the_first_five_are_needed(tmp_path: Path) -> None:
    put(tmp_path, [*many(0, 4), *sample(4, txt=None), *many(5, 3)], many(8), many(16), many(24))
    [found] = [f for f in verify(tmp_path).faults if f.kind == "first_members_differ"]
    assert found.keys == ("000000004",)
    put(tmp_path, [*many(0, 5), *sample(5, txt=None), *many(6, 2)], many(8), many(16), many(24))
    assert "first_members_differ" not in kinds(verify(tmp_path))


def test_a_key_in_two_shards_and_twice_in_one(tmp_path: Path) -> None:
    put(
        tmp_path,
        many(0, 8),
        [*many(8, 3), *sample(2, jpg=picture(100)), *many(12, 2)],
        [*many(16, 2), *sample(30), *many(18, 2), *sample(30), *many(20, 2)],
        many(40),
    )
    assert said(verify(tmp_path)) == {
        ("key_in_shards", "00001.tar 000000002", 1),
        ("key_twice", "00002.tar 000000030", 1),
        ("equal_images", "00002.tar 000000030", 1),
        ("sizes_wrong", "sizes.json 00002.tar", 1),
    }


def test_what_is_no_sample_is_noticed(tmp_path: Path) -> None:
    odd = [("README", b"x"), ("._000000001.jpg", b"x"), ("__MACOSX/._1.jpg", b""), ("a/", b"")]
    put(tmp_path, [*odd, *many()], many(8), many(16), many(24))
    report = verify(tmp_path)
    assert report.faults == [f for f in report.faults if f.kind == "sizes_wrong"]
    [found] = report.notices
    assert (found.kind, found.n, found.keys[:2]) == (
        "unread_member",
        4,
        ("README", "._000000001.jpg"),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", ("a", "jpg")),
        ("d/e.f/a.seg.png", ("d/e.f/a", "seg.png")),
        ("./a.txt", ("./a", "txt")),
        ("a.", ("a", "")),
        ("a", None),
        (".a.jpg", None),
        ("d/.a.jpg", None),
        ("d.e/a", None),
        ("__a__.jpg", None),
        ("a" * 5_000 + ".jpg", None),
    ],
)
def test_keys_are_webdatasets(name: str, expected: tuple[str, str] | None) -> None:
    assert split_name(name) == expected


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "image_broken"),
        (b"<svg/>", "image_broken"),
        (picture(1)[:-40], "image_broken"),
        (picture(1, "PNG"), "wrong_ending"),
        (picture(1, "WEBP"), "wrong_ending"),
    ],
)
def test_pictures(tmp_path: Path, data: bytes, kind: str) -> None:
    put(tmp_path, many(), [*many(8, 7), *sample(15, jpg=data)], many(16), many(24))
    assert said(verify(tmp_path)) == {(kind, "00001.tar 000000015", 1)}


def test_quick_looks_at_headers_only(tmp_path: Path) -> None:
    cut, none = picture(1)[:-40], b"\xff\xd8\xff\xd9"
    put(tmp_path, many(), [*sample(8, jpg=cut), *sample(9, jpg=none)], many(16), many(24))
    assert kinds(verify(tmp_path)) == {"image_broken": 2, "shard_without_pairs": 1}
    assert said(verify(tmp_path, quick=True)) == {("image_broken", "00001.tar 000000009", 1)}


def test_a_tar_alone(tmp_path: Path) -> None:
    CASES["json_int_half"](tmp_path)
    assert said(verify(tmp_path / "00000.tar")) == set()
    first = {"members": verify(tmp_path / "00002.tar")}
    # Alone, it decides the types itself: its own first five have 0.5 after whole numbers.
    assert said(first["members"]) == {("first_types_differ", "00002.tar 000000020", 1)}


def test_folders_below(tmp_path: Path) -> None:
    for name in ("train", "test/deep"):
        (tmp_path / name).mkdir(parents=True)
        put(tmp_path / name, *(many(8 * k) for k in range(4)))
    shutil.copy(tmp_path / "train/00000.tar", tmp_path / "train/00009.tar")
    (tmp_path / "train/loop").symlink_to(tmp_path)
    report = verify(tmp_path)
    assert (report.n_shards, report.n_samples) == (9, 72)
    assert {found.shard for found in report.findings} == {
        "train/00009.tar",
        "train/sizes.json",
        "train/00000.tar",
    }
    assert kinds(report) == {"key_in_shards": 8, "equal_images": 8, "sizes_incomplete": 1}


def test_two_processes_say_the_same_as_none(tmp_path: Path) -> None:
    CASES["broken_images"](tmp_path)
    (tmp_path / "00003.tar").write_bytes(b"")
    assert verify(tmp_path, 2) == verify(tmp_path, 0)


def test_a_million_equal_faults_are_one_finding() -> None:
    tally = Tally()
    for number in range(10_000):
        tally.add(Seen("empty_caption", "a.tar", f"{number}\n\x1b[2J"))
    [found] = tally.findings()
    assert found.n == 10_000
    assert len(found.keys) == N_PLACES
    assert found.keys[0] == r"0\n\x1b[2J"


def _long_names(folder: Path, form: int) -> None:
    for k in range(4):
        with tarfile.open(folder / f"{k}.tar", "w", format=form) as tar:
            for number in range(8 * k, 8 * k + 8):
                for name, data in sample(number):
                    info = tarfile.TarInfo("d" * 150 + "/" + "é" * 60 + name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names(tmp_path: Path, form: int) -> None:
    _long_names(tmp_path, form)
    report = verify(tmp_path)
    assert report.n_samples == 32
    assert kinds(report) == {"no_sizes": 1}


@pytest.mark.parametrize("pack", ["bz2", "xz"])
def test_other_compressions(tmp_path: Path, pack: str) -> None:
    for k in range(4):
        with tarfile.open(tmp_path / f"{k}.tar", f"w:{pack}") as tar:  # type: ignore[call-overload]
            for name, data in many(8 * k):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    report = verify(tmp_path)
    assert (report.n_samples, kinds(report)) == (32, {"no_sizes": 1})


CUTS: list[Callable[[bytes], bytes]] = [lambda b: b[:-1], lambda b: b[:600], lambda b: b[:12]]


@pytest.mark.parametrize("cut", CUTS)
def test_a_compressed_tar_that_is_cut(tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    import gzip

    put(tmp_path, many(), many(8), many(16), many(24))
    whole = gzip.compress(tar_bytes(many(8)))
    (tmp_path / "00001.tar").write_bytes(cut(whole))
    found = kinds(verify(tmp_path))
    assert found.get("cut_tar", 0) + found.get("not_a_tar", 0) == 1
