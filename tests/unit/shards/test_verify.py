"""Each kind of damage is found and named: which shard, which sample, what."""

import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from samples_fixture import build_shards
from webpairs_core.errors import ShardError
from webpairs_core.files import file_sha256
from webpairs_shards.check.judge import Fault, Members, judge_sample
from webpairs_shards.check.verify import verify
from webpairs_shards.format.index import write_index
from webpairs_shards.format.layout import SampleJson, encode_json
from webpairs_shards.read.reader import RawSample, open_shards


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


@pytest.mark.parametrize("workers", [1, 2])
def test_good_shards_have_no_fault(shards: Path, workers: int) -> None:
    report = verify(shards, workers)
    assert report.faults == []
    assert (report.n_shards, report.n_samples) == (3, 25)
    assert report.n_bytes == sum(path.stat().st_size for path in shards.glob("*.tar"))


def test_two_workers_find_the_same_in_the_same_order(copy: Path) -> None:
    _flip(copy / "shard-000002.tar", 3_000)
    (copy / "shard-000000.parquet").unlink()
    assert verify(copy, 2) == verify(copy, 1)


@pytest.mark.parametrize("part", ["image", "json", "text"])
def test_a_flipped_bit(copy: Path, part: str) -> None:
    sample = open_shards(copy).read(10)
    wanted = {"image": sample.image, "json": sample.json, "text": sample.text.encode()}[part]
    tar = copy / "shard-000001.tar"
    _flip(tar, tar.read_bytes().index(wanted) + len(wanted) // 2)
    faults = verify(copy).faults
    assert {fault.shard for fault in faults} == {"shard-000001"}
    assert any("SHA-256 of shard-000001.tar" in fault.sentence for fault in faults)
    assert any(f.key == sample.key and "bytes have changed" in f.sentence for f in faults)
    assert {fault.key for fault in faults} == {"", sample.key}


def test_a_flipped_bit_in_a_header(copy: Path) -> None:
    _flip(copy / "shard-000001.tar", 148)  # the checksum of the first header
    faults = verify(copy).faults
    assert any("the tar breaks after" in fault.sentence for fault in faults)
    assert any("tar holds 0 samples, the manifest says 8" in fault.sentence for fault in faults)


def test_a_cut_tar(copy: Path) -> None:
    tar = copy / "shard-000001.tar"
    keys = [open_shards(copy).read(i).key for i in range(8, 16)]
    with tarfile.open(tar) as whole:
        image = [member for member in whole if member.name.endswith(".jpg")][4]
    tar.write_bytes(tar.read_bytes()[: image.offset_data + image.size // 2])
    faults = [fault for fault in verify(copy).faults if fault.shard == "shard-000001"]
    assert any("bytes, the manifest says" in fault.sentence for fault in faults)
    (broken,) = [fault for fault in faults if "the tar breaks" in fault.sentence]
    n = keys.index(broken.key) + 1
    assert any(f"tar holds {n} samples, the manifest says 8" in f.sentence for f in faults)


@pytest.mark.parametrize("ending", ["tar", "idx", "parquet"])
def test_a_missing_file(copy: Path, ending: str) -> None:
    (copy / f"shard-000001.{ending}").unlink()
    faults = verify(copy).faults
    assert {fault.shard for fault in faults} == {"shard-000001"}
    assert any(f"shard-000001.{ending}" in fault.sentence for fault in faults)


@pytest.mark.parametrize("name", ["sizes.json", "README.md", "croissant.json"])
def test_a_missing_sidecar_of_the_folder(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert verify(copy).faults == [Fault(name, "", f"{name} is missing")]


def test_wrong_counts(copy: Path) -> None:
    def edit(manifest: dict[str, object]) -> None:
        manifest["n_samples"] = 26
        manifest["shards"][2]["samples"] = 10  # type: ignore[index]

    _edit_manifest(copy, edit)
    found = {(fault.shard, fault.sentence) for fault in verify(copy).faults}
    assert found == {
        ("sizes.json", "counts other samples than the manifest"),
        ("shard-000002", "tar holds 9 samples, the manifest says 10"),
        ("shard-000002", "idx holds 9 samples, the manifest says 10"),
        ("shard-000002", "parquet holds 9 samples, the manifest says 10"),
    }


def test_a_total_that_does_not_add_up(copy: Path) -> None:
    _edit_manifest(copy, lambda manifest: manifest.update(n_samples=26))
    assert verify(copy).faults == [
        Fault("manifest.json", "", "counts 26 samples, its shards 25"),
    ]


def test_a_tar_that_nobody_listed(copy: Path) -> None:
    shutil.copy(copy / "shard-000000.tar", copy / "shard-000099.tar")
    (fault,) = verify(copy).faults
    assert (fault.shard, fault.sentence) == (
        "shard-000099",
        "shard-000099.tar is not in the manifest: remove it",
    )


def test_sidecars_of_another_shard(copy: Path) -> None:
    for ending in ("idx", "parquet"):
        shutil.copy(copy / f"shard-000000.{ending}", copy / f"shard-000001.{ending}")
    sentences = [f.sentence for f in verify(copy).faults if f.key]
    assert sum("the idx has" in sentence for sentence in sentences) == 8
    assert sum("the row of the parquet" in sentence for sentence in sentences) == 8


def _members(samples: list[RawSample]) -> Iterator[tuple[str, bytes]]:
    for sample in samples:
        yield f"{sample.key}.jpg", sample.image
        yield f"{sample.key}.json", sample.json
        yield f"{sample.key}.txt", sample.text.encode()


def test_a_key_in_two_shards(copy: Path) -> None:
    reader = open_shards(copy)
    first = [reader.read(i) for i in range(8)]
    twin = reader.read(20)
    _rebuild(copy, _members([*first[:7], twin]))
    found = [fault for fault in verify(copy).faults if "already" in fault.sentence]
    assert found == [Fault("shard-000002", twin.key, "the key stands in shard-000000 already")]


def test_members_in_another_order(copy: Path) -> None:
    reader = open_shards(copy)
    samples = [reader.read(i) for i in range(8)]
    members = list(_members(samples))
    members[6], members[7] = members[7], members[6]
    with pytest.raises(ShardError):
        _rebuild(copy, iter(members))
    (broken,) = [f for f in verify(copy).faults if "the tar breaks" in f.sentence]
    assert broken.key == samples[1].key
    assert f"{samples[2].key}.json stands where" in broken.sentence


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"holds no manifest\.json"):
        verify(tmp_path)


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
    ("sample", "sentence"),
    [
        (_sample(key="0A"), "other characters"),
        (_sample(caption=""), "the caption is empty"),
        (_sample(json=JSON.replace(b'"extra":""', b'"extra":"[1]"')), "extra is no JSON object"),
        (_sample(json=JSON.replace(b'"extra":""', b'"extra":"{"')), "extra is no JSON object"),
        (_sample(caption="e\u0301"), "not in Unicode NFC"),
        (_sample(caption="two\nlines"), "a line break"),
        (_sample(text=b"\xff"), "not UTF-8"),
        (_sample(text=b"another"), "another caption than the txt"),
        (_sample(json=JSON.replace(b'"0a"', b'"0b"')), "belongs to 0b"),
        (_sample(json=JSON.replace(b'"width":8', b'"width":9')), "the JSON says (9, 6)"),
        (_sample(json=JSON.replace(b'"width":8', b'"width":null')), "the JSON is damaged"),
        (_sample(json=JSON.replace(b":0.0", b":0")), "other types"),
        (_sample(json=JSON.replace(b'"host":"",', b"")), "the JSON is damaged"),
        (_sample(json=JSON[:-1] + b',"more":1}'), "other fields"),
        (_sample(json=JSON[:-1]), "the JSON is damaged"),
        (_sample(image=_picture("PNG")), "does not decode as jpg"),
        (_sample(image=_picture()[:-30]), "does not decode as jpg"),
        (_sample(image=b""), "does not decode as jpg"),
    ],
)
def test_what_is_wrong_with_a_sample(sample: Members, sentence: str) -> None:
    assert any(sentence in found for found in judge_sample(sample, "jpg"))


def test_nothing_is_wrong_with_a_good_sample() -> None:
    assert list(judge_sample(_sample(), "jpg")) == []


def test_a_sample_of_a_table_without_texts_has_no_caption() -> None:
    sample = _sample(caption="")
    of_table = sample.json.replace(b'"text_source":""', b'"text_source":"table"')
    assert list(judge_sample(msgspec.structs.replace(sample, json=of_table), "jpg")) == []
