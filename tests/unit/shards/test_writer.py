"""What is written is what is read, for any text; and the tar is as the layout says."""

import tarfile
import tempfile
import unicodedata
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webpairs_core.errors import PartCorrupt
from webpairs_core.schema import PLAN, SHARD
from webpairs_shards.format.index import read_index
from webpairs_shards.format.layout import SampleJson, encode_json, member_extensions
from webpairs_shards.write.writer import SampleImages, ShardFiles, sample_json, write_shard

IMAGE = b"\xff\xd8 not a picture, but bytes \xff\xd9"


def _row(text: str, number: int = 0) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(PLAN.names, "")
    row |= dict.fromkeys(("width", "height", "original_width", "original_height"), 1)
    row |= {"key": number.to_bytes(16, "big"), "text": text, "phash": 2**64 - 1}
    return row | {"lang_score": 0.1, "optout": ["a:b@page"], "image_optout": ["c:d@image"]}


def _write(folder: Path, samples: list[tuple[SampleJson, bytes]], ending: str) -> ShardFiles:
    files = ShardFiles(folder / "s.tar", folder / "s.idx", folder / "s.parquet")
    assert write_shard(files, samples, ending) == len(samples)
    return files


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1), ending=st.sampled_from(["jpg", "webp", "png"]))
@example(text="e\u0301 and \ud55c\uad6d\uc5b4 in \u1112\u1161\u11ab", ending="jpg")
@example(text='"quoted"\n\\back\tslash\0nul\r\n', ending="jpg")
@example(text="\u2066bidi\u2069 \U0001f469\u200d\U0001f469", ending="jpg")
def test_any_text_comes_back_in_its_normal_form(text: str, ending: str) -> None:
    sample = sample_json(_row(text))
    with tempfile.TemporaryDirectory() as folder:
        files = _write(Path(folder), [(sample, IMAGE)], ending)
        with tarfile.open(files.tar) as tar:
            data = [tar.extractfile(m).read() for m in tar]  # type: ignore[union-attr]
            assert tar.getnames() == [
                f"{sample.key}.{extension}" for extension in member_extensions(ending)
            ]
        (row,) = pq.read_table(files.parquet).to_pylist()
        (record,) = read_index(files.idx).records.tolist()
    found = dict(zip(member_extensions(ending), data, strict=True))
    caption = found["txt"].decode()
    assert unicodedata.is_normalized("NFC", caption)
    assert caption == caption.strip() == sample.caption
    assert "\n" not in caption
    assert found[ending] == IMAGE
    assert msgspec.json.decode(found["json"]) == row == msgspec.structs.asdict(sample)
    assert bytes(record[0]).hex() == sample.key


def test_every_json_has_the_same_typed_keys() -> None:
    """HF datasets infers them from five samples: a float without a point would become an int."""
    data = encode_json(sample_json(_row("a") | {"lang_score": 1}))
    assert b'"lang_score":1.0,' in data
    assert b"null" not in data
    assert list(msgspec.json.decode(data)) == SHARD.names


def test_what_the_json_says() -> None:
    sample = sample_json(_row("a", number=255))
    assert sample.key == "0" * 30 + "ff"
    assert sample.phash == "f" * 16
    assert sample.optout == "a:b@page c:d@image"
    assert sample.lang_score == 0.1


def test_no_trace_of_when_and_who(tmp_path: Path) -> None:
    files = _write(tmp_path, [(sample_json(_row("a", i)), IMAGE) for i in range(3)], "jpg")
    with tarfile.open(files.tar) as tar:
        facts = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar}
    assert facts == {(0, 0, 0, "webpairs", "webpairs", 0o444)}
    assert files.tar.read_bytes()[257:263] == b"ustar\0"


def test_images_are_read_exactly(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for i in range(200):  # more than are kept open
        (tmp_path / "samples" / f"{i}.tar").write_bytes(f"<{i:03d}>".encode())
    with SampleImages(tmp_path) as images:
        for i in [*range(200), 0, 199, 100]:
            assert images.read(f"samples/{i}.tar", 1, 3) == f"{i:03d}".encode()
        with pytest.raises(PartCorrupt, match=r"7\.tar ends before byte 6"):
            images.read("samples/7.tar", 3, 3)
        with pytest.raises(PartCorrupt, match=r"none\.tar is missing"):
            images.read("samples/none.tar", 0, 1)
