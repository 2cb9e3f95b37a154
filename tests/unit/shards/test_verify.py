"""Each kind of damage is found and named: which shard, which sample, what."""

import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from PIL import Image

from samples_fixture import build_shards
from webpairs_core.errors import ShardError
from webpairs_core.files import file_sha256
from webpairs_shards.check.findings import Report
from webpairs_shards.check.judge import Members, judge_sample
from webpairs_shards.check.verify import verify
from webpairs_shards.format.index import write_index
from webpairs_shards.format.layout import SampleJson, encode_json
from webpairs_shards.read.open import open_shards
from webpairs_shards.read.sample import RawSample


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("verify"), 25, samples_per_shard=10)


@pytest.fixture
def copy(tmp_path: Path, shards: Path) -> Path:
    return Path(shutil.copytree(shards, tmp_path / "shards"))


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def _edit_manifest(folder: Path, edit: Callable[[dict[str, object]], object]) -> None:
    path = folder / "manifest.json"
    manifest = msgspec.json.decode(path.read_bytes())
    edit(manifest)
    path.write_bytes(msgspec.json.encode(manifest))


def _rebuild(folder: Path, samples: Iterator[tuple[str, bytes]]) -> None:
    """Give shard 0 other members, and an idx and manifest that agree: a fault of the writer."""
    path = folder / "shard-000000.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in samples:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    write_index(path.with_suffix(".idx"), path, "jpg")

    def edit(manifest: dict[str, object]) -> None:
        first = manifest["shards"][0]  # type: ignore[index]
        first |= {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        first |= {"idx_sha256": file_sha256(path.with_suffix(".idx"))}

    _edit_manifest(folder, edit)


Told = tuple[str, str, tuple[str, ...], int]


def told(report: Report) -> set[Told]:
    """Kind, file, keys and count of each finding."""
    return {(found.kind, found.shard, found.keys, found.n) for found in report.findings}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_good_shards_have_no_fault(shards: Path, workers: int) -> None:
    report = verify(shards, workers)
    assert report.findings == []
    assert (report.layout, report.n_shards, report.n_samples) == ("webpairs", 3, 25)
    assert report.n_bytes == sum(path.stat().st_size for path in shards.glob("*.tar"))


def test_two_workers_find_the_same_in_the_same_order(copy: Path) -> None:
    _flip(copy / "shard-000002.tar", 3_000)
    (copy / "shard-000000.parquet").unlink()
    assert verify(copy, 2) == verify(copy, 0)


@pytest.mark.parametrize("part", ["image", "json", "text"])
def test_a_flipped_bit(copy: Path, part: str) -> None:
    sample = open_shards(copy).read(10)
    wanted = {"image": sample.image, "json": sample.json, "text": sample.text.encode()}[part]
    tar = copy / "shard-000001.tar"
    _flip(tar, tar.read_bytes().index(wanted) + len(wanted) // 2)
    report = verify(copy)
    assert {found.shard for found in report.findings} == {"shard-000001.tar"}
    assert ("changed", "shard-000001.tar", (), 1) in told(report)
    assert ("sample_changed", "shard-000001.tar", (sample.key,), 1) in told(report)
    assert {key for found in report.findings for key in found.keys} == {sample.key}


def test_a_flipped_bit_in_a_header(copy: Path) -> None:
    _flip(copy / "shard-000001.tar", 148)  # the checksum of the first header
    found = {finding.kind: finding for finding in verify(copy).findings}
    assert found.keys() == {"changed", "not_a_tar", "count_differs"}
    assert found["count_differs"].detail == "0, the manifest says 8"
    _flip(copy / "shard-000001.tar", 148)
    with tarfile.open(copy / "shard-000001.tar") as tar:
        members = tar.getmembers()
    _flip(copy / "shard-000001.tar", members[6].offset + 148)
    found = {finding.kind: finding for finding in verify(copy).findings}
    assert found.keys() == {"changed", "bad_header", "count_differs"}
    assert found["bad_header"].keys == (members[3].name.partition(".")[0],)
    assert found["count_differs"].detail == "2, the manifest says 8"


def test_a_cut_tar(copy: Path) -> None:
    tar = copy / "shard-000001.tar"
    with tarfile.open(tar) as whole:
        image = [member for member in whole if member.name.endswith(".jpg")][4]
    keys = [open_shards(copy).read(i).key for i in range(8, 16)]
    tar.write_bytes(tar.read_bytes()[: image.offset_data + image.size // 2])
    report = verify(copy)
    assert ("cut_tar", "shard-000001.tar", (keys[3],), 1) in told(report)
    kinds = {found.kind: found.detail for found in report.findings}
    assert kinds.keys() == {"changed", "size_changed", "cut_tar", "count_differs"}
    assert kinds["count_differs"] == "4, the manifest says 8"


@pytest.mark.parametrize("ending", ["tar", "idx", "parquet"])
def test_a_missing_file(copy: Path, ending: str) -> None:
    (copy / f"shard-000001.{ending}").unlink()
    report = verify(copy)
    assert ("missing", f"shard-000001.{ending}", (), 1) in told(report)
    assert {found.shard for found in report.findings} == {f"shard-000001.{ending}"}


@pytest.mark.parametrize("name", ["sizes.json", "README.md", "croissant.json"])
def test_a_missing_sidecar_of_the_folder(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert told(verify(copy)) == {("missing", name, (), 1)}


def test_wrong_counts(copy: Path) -> None:
    def edit(manifest: dict[str, object]) -> None:
        manifest["n_samples"] = 26
        manifest["shards"][2]["samples"] = 10  # type: ignore[index]

    _edit_manifest(copy, edit)
    found = {(found.kind, found.shard, found.detail) for found in verify(copy).findings}
    assert found == {
        ("count_differs", "sizes.json", ""),
        *(
            ("count_differs", f"shard-000002.{ending}", "9, the manifest says 10")
            for ending in ("tar", "idx", "parquet")
        ),
    }


def test_a_total_that_does_not_add_up(copy: Path) -> None:
    _edit_manifest(copy, lambda manifest: manifest.update(n_samples=26))
    [fault] = verify(copy).faults
    assert (fault.shard, fault.detail) == ("manifest.json", "it counts 26 samples, its shards 25")


def test_a_tar_that_nobody_listed(copy: Path) -> None:
    shutil.copy(copy / "shard-000000.tar", copy / "shard-000099.tar")
    assert told(verify(copy)) == {("unlisted", "shard-000099.tar", (), 1)}


def test_sidecars_of_another_shard(copy: Path) -> None:
    keys = tuple(open_shards(copy).read(i).key for i in range(8, 13))
    for ending in ("idx", "parquet"):
        shutil.copy(copy / f"shard-000000.{ending}", copy / f"shard-000001.{ending}")
    found = {found.kind: found for found in verify(copy).findings}
    for kind in ("index_disagrees", "row_disagrees"):
        assert (found[kind].shard, found[kind].n) == ("shard-000001.tar", 8)
        assert found[kind].keys == keys


def _members(samples: list[RawSample]) -> Iterator[tuple[str, bytes]]:
    for sample in samples:
        yield f"{sample.key}.jpg", sample.image
        yield f"{sample.key}.json", sample.json
        yield f"{sample.key}.txt", sample.text.encode()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_key_in_two_shards(copy: Path, workers: int) -> None:
    reader = open_shards(copy)
    first = [reader.read(i) for i in range(8)]
    twin = reader.read(20)
    _rebuild(copy, _members([*first[:7], twin]))
    report = verify(copy, workers)
    assert ("repeated_key", "shard-000002.tar", (twin.key,), 1) in told(report)
    [again] = [found for found in report.faults if found.kind == "repeated_key"]
    assert again.detail == "the first stands in shard-000000.tar"
    assert [found.kind for found in report.notices] == ["equal_images"]


def test_a_key_twice_in_one_shard(copy: Path) -> None:
    reader = open_shards(copy)
    samples = [reader.read(i) for i in range(8)]
    _rebuild(copy, _members([*samples[:7], samples[2]]))
    assert ("repeated_key", "shard-000000.tar", (samples[2].key,), 1) in told(verify(copy))


def test_an_image_in_two_shards_is_a_notice(copy: Path) -> None:
    reader = open_shards(copy)
    first = [reader.read(i) for i in range(8)]
    first[3] = replace(first[3], image=reader.read(20).image)
    _rebuild(copy, _members(first))
    notices = verify(copy).notices
    assert [(found.kind, found.keys, found.n) for found in notices] == [
        ("equal_images", (first[3].key,), 1)
    ]


def test_members_in_another_order(copy: Path) -> None:
    reader = open_shards(copy)
    samples = [reader.read(i) for i in range(8)]
    members = list(_members(samples))
    members[6], members[7] = members[7], members[6]
    with pytest.raises(ShardError):
        _rebuild(copy, iter(members))
    [broken] = [found for found in verify(copy).faults if found.kind == "member_order"]
    assert broken.keys == (samples[1].key,)
    assert f"{samples[2].key}.json stands where" in broken.detail


def test_samples_in_another_order_than_the_parquet(copy: Path) -> None:
    reader = open_shards(copy)
    samples = [reader.read(i) for i in range(8)]
    _rebuild(copy, _members([samples[1], samples[0], *samples[2:]]))
    report = verify(copy)
    keys = (samples[1].key, samples[0].key)
    assert ("row_disagrees", "shard-000000.tar", keys, 2) in told(report)


def test_a_member_with_a_time(copy: Path) -> None:
    tar = copy / "shard-000000.tar"
    data = tar.read_bytes()
    with tarfile.open(tar) as archive:
        info = archive.getmembers()[3]
    info.mtime = 5
    header = info.tobuf(tarfile.USTAR_FORMAT)
    tar.write_bytes(data[: info.offset] + header + data[info.offset + 512 :])
    [found] = [found for found in verify(copy).faults if found.kind == "member_order"]
    assert "carries a time" in found.detail


def test_quick_reads_headers_only(copy: Path) -> None:
    reader = open_shards(copy)
    samples = [reader.read(i) for i in range(8)]
    samples[4] = replace(samples[4], image=samples[4].image[:-300])
    samples[5] = replace(samples[5], image=b"\xff\xd8\xff no picture")
    _rebuild(copy, _members(samples))
    broken = "image_broken", "shard-000000.tar"
    assert (*broken, (samples[4].key, samples[5].key), 2) in told(verify(copy))
    assert (*broken, (samples[5].key,), 1) in told(verify(copy, quick=True))


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"holds no manifest\.json and no tar"):
        verify(tmp_path)
    with pytest.raises(ShardError, match="holds no manifest"):
        verify(tmp_path / "absent")


def test_the_out_of_a_run_is_no_folder_of_shards(shards: Path) -> None:
    with pytest.raises(ShardError, match="is the OUT of a run: give a folder of shards"):
        verify(shards.parent)


def test_a_damaged_manifest_is_ours(copy: Path) -> None:
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ShardError, match="is damaged"):
        verify(copy)


def test_the_manifest_of_somebody_else_is_not_ours(copy: Path) -> None:
    (copy / "manifest.json").write_text('{"version": 3}')
    report = verify(copy)
    assert (report.layout, report.n_samples, report.faults) == ("webdataset", 25, [])


def _picture(ending: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 30, 30)).save(stream, ending)
    return stream.getvalue()


def _sample(**changes: object) -> Members:
    caption = str(changes.pop("caption", "a red square"))
    json = msgspec.convert(
        {field.name: field.type() for field in msgspec.structs.fields(SampleJson)}
        | {"key": "0a", "caption": caption, "width": 8, "height": 6, "status": "success"},
        SampleJson,
    )
    facts = {"key": "0a", "image": _picture(), "json": encode_json(json), "text": caption.encode()}
    return Members(**(facts | changes), offsets=(0, 0, 0))  # type: ignore[arg-type]


JSON = _sample().json


@pytest.mark.parametrize(
    ("sample", "kind", "detail"),
    [
        (_sample(key="0A"), "bad_key", ""),
        (_sample(caption=""), "empty_caption", ""),
        (_sample(json=JSON.replace(b'"extra":""', b'"extra":"[1]"')), "json_form", "its extra"),
        (_sample(json=JSON.replace(b'"extra":""', b'"extra":"{"')), "json_form", "its extra"),
        (_sample(caption="e\u0301"), "caption_form", "not in Unicode NFC"),
        (_sample(caption="two\nlines"), "caption_form", "a line break"),
        (_sample(caption="a line\n"), "caption_form", "a line break"),
        (_sample(text=b"\xff"), "caption_not_utf8", "invalid start byte"),
        (_sample(text=b"another"), "json_disagrees", "another caption than the txt"),
        (_sample(json=JSON.replace(b'"0a"', b'"0b"')), "json_disagrees", "belongs to 0b"),
        (_sample(json=JSON.replace(b'"width":8', b'"width":9')), "json_disagrees", "says (9, 6)"),
        (_sample(json=JSON.replace(b'"width":8', b'"width":null')), "json_broken", "damaged"),
        (_sample(json=JSON.replace(b":0.0", b":0")), "json_form", "other types"),
        (_sample(json=JSON.replace(b'"host":"",', b"")), "json_broken", "damaged"),
        (_sample(json=JSON[:-1] + b',"more":1}'), "json_form", "other fields"),
        (_sample(json=JSON[:-1]), "json_broken", "damaged"),
        (_sample(image=_picture("PNG")), "image_broken", "it is no JPEG"),
        (_sample(image=_picture()[:-30]), "image_broken", "JPEG"),
        (_sample(image=b""), "image_broken", "it is no JPEG"),
    ],
)
def test_what_is_wrong_with_a_sample(sample: Members, kind: str, detail: str) -> None:
    opinions = list(judge_sample(sample, "jpg", quick=False))
    assert [found for found in opinions if found.kind == kind and detail in found.detail]


def test_nothing_is_wrong_with_a_good_sample() -> None:
    assert list(judge_sample(_sample(), "jpg", quick=False)) == []


def test_a_sample_of_a_table_without_texts_has_no_caption() -> None:
    sample = _sample(caption="")
    of_table = sample.json.replace(b'"text_source":""', b'"text_source":"table"')
    assert list(judge_sample(replace(sample, json=of_table), "jpg", quick=False)) == []
