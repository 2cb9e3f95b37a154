"""Tars of any layout: our walk against tarfile's list and webdataset's samples; brace lists."""

import io
import tarfile
from typing import Any

import braceexpand
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from webdataset.tariterators import group_by_keys, tar_file_iterator

from tars_of_others import JPEG
from webpairs_core.errors import ShardCorrupt
from webpairs_shards.stores.foreign.find_tars import expand
from webpairs_shards.stores.foreign.hop import members
from webpairs_shards.stores.foreign.walk import Endings, key_of, walk

LETTERS = st.text("abc01-_é캡 ", min_size=1, max_size=20)
FOLDERS = st.lists(st.sampled_from(["", "a/", "b.c/", "../", "./", "d" * 70 + "/"]), max_size=3)
KEYS = st.builds(lambda folders, key: "".join(folders) + key, FOLDERS, LETTERS)
OTHERS = st.sampled_from(["cls", "npy", "JSON", "b.bin", "meta", "0"])
DATA = st.binary(max_size=1200)


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    """Whole samples with unlike keys, each in any order of members; what is no sample between."""
    stream = io.BytesIO()
    format = draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    with tarfile.open(fileobj=stream, mode="w", format=format) as tar:

        def add(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> None:
            member = tarfile.TarInfo(name)
            member.type, member.mtime = kind, draw(st.sampled_from([0, 1.5, 2**40]))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

        for key in draw(st.lists(KEYS, unique=True, min_size=1, max_size=12)):
            endings = ["txt", draw(st.sampled_from(["jpg", "JPG"]))]
            endings += draw(st.sampled_from([[], ["json"]])) + draw(st.lists(OTHERS, max_size=2))
            for ending in draw(st.permutations(list({e.lower(): e for e in endings}.values()))):
                is_image = ending.lower() == "jpg"
                add(f"{key}.{ending}", JPEG + draw(DATA) if is_image else b"x" + draw(DATA))
            odd = draw(st.sampled_from(["", "dir", "link", "meta", "nodot"]))
            if odd == "dir":
                add("some/dir", b"", tarfile.DIRTYPE)
            elif odd == "link":
                add(f"{key}.png", b"", tarfile.SYMTYPE)
            elif odd == "meta":
                add("__meta__/x.jpg", b"y")
            elif odd == "nodot":
                add("README", b"hello")
    return stream.getvalue()


@settings(max_examples=150, deadline=None)
@given(tars())
def test_members_and_samples_are_those_of_tarfile_and_webdataset(data: bytes) -> None:
    def read(start: int, n_bytes: int) -> bytes:
        return data[start : start + n_bytes]

    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        listed = [(m.name, m.offset_data, m.size) for m in tar if m.isreg()]
    hopped = [(name.decode(), at, n) for name, _, at, n in members(read, len(data))]
    assert hopped == listed

    files = tar_file_iterator(io.BytesIO(data))
    samples = group_by_keys({**file, "__url__": "a.tar"} for file in files)
    expected = [_parts(sample) for sample in samples if "jpg" in sample]
    found = walk(read, len(data), Endings()).records
    assert [_ours(row, read, len(data)) for row in found] == expected


def _parts(sample: dict[str, Any]) -> tuple[str, bytes, bytes, bytes]:
    return sample["__key__"], sample["jpg"], sample.get("json", b""), sample["txt"]


def _ours(row: np.void, read: Any, n_bytes: int) -> tuple[str, bytes, bytes, bytes]:
    image, json, text = (
        read(int(row[f"{part}_offset"]), int(row[f"{part}_bytes"]))
        for part in ("image", "json", "text")
    )
    return key_of(row["key"].tobytes(), read, n_bytes), image, json, text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["jpg", "txt", "json"]), min_size=1, max_size=12), st.data())
def test_nothing_is_lost_silently(endings: list[str], data: st.DataObject) -> None:
    """Whatever the order of members: either each image and each caption is in a sample, or the tar
    is refused."""
    stream = io.BytesIO()
    names = [f"{data.draw(st.sampled_from('abc'))}.{ending}" for ending in endings]
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    whole = stream.getvalue()
    try:
        records = walk(lambda at, n: whole[at : at + n], len(whole), Endings()).records
    except ShardCorrupt:
        return
    assert np.count_nonzero(records["image_bytes"]) == endings.count("jpg")
    assert np.count_nonzero(records["text_bytes"]) == endings.count("txt")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.data())
def test_any_bytes_are_a_tar_or_a_sentence(data: bytes, draw: st.DataObject) -> None:
    """Also a real tar with bytes changed anywhere: no other error, no endless loop."""
    if draw.draw(st.booleans()):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in ("é.jpg", "é.txt", "k" * 120 + ".jpg"):
                tar.addfile(tarfile.TarInfo(name))
        spoilt = bytearray(stream.getvalue())
        for _ in range(draw.draw(st.integers(1, 4))):
            spoilt[draw.draw(st.integers(0, len(spoilt) - 1))] = draw.draw(st.integers(0, 255))
        data = bytes(spoilt)
    try:
        list(members(lambda at, n: data[at : at + n], len(data)))
    except ShardCorrupt:
        return


PIECES = st.sampled_from(
    ["a", "0", "/", ".tar", "{1..3}", "{08..11}", "{a,b}", "{9..7}", "{x,{1..2}}"]
)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=5))
def test_braces_are_webdatasets(pieces: list[str]) -> None:
    pattern = "".join(pieces)
    assert expand(pattern) == list(braceexpand.braceexpand(pattern))
