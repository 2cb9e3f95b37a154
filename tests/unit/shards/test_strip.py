"""Bytes kept as they came hold pixels and nothing else."""

import io
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hostile_web import picture
from image_files import pixels, png_chunk, saved, srgb_profile
from webpairs_core.records import Outcome
from webpairs_shards.image.process import process_image
from webpairs_shards.image.sniff import sniff
from webpairs_shards.image.strip import stripped
from webpairs_shards.options import ImageSection

ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
SECRET = b"SECRET-PLACE"


def section(kind: str, **fields: Any) -> ImageSection:
    given = {"min_side_px": 1, "max_aspect": 1e6, "resize": "none", "format": ENDINGS[kind]}
    return msgspec.convert(given | fields, ImageSection)


def plain(kind: str, **options: Any) -> bytes:
    with Image.open(io.BytesIO(picture(120, 90))) as image:
        return saved(image, kind, **options)


def with_secrets(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
    options: dict[str, Any] = {"exif": exif, "xmp": b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"}
    if kind == "JPEG":
        options["comment"] = SECRET
    data = plain(kind, **options)
    if kind == "PNG":
        data = data[:33] + png_chunk(b"tEXt", b"Comment\0" + SECRET) + data[33:]
    return data + SECRET


@pytest.mark.parametrize("kind", ENDINGS)
def test_only_pixels_stay(kind: str) -> None:
    data = with_secrets(kind)
    got = process_image(data, section(kind))
    assert got.outcome == Outcome.OK
    assert len(got.data) < len(data)
    assert SECRET not in got.data
    assert b"Exif" not in got.data
    assert np.array_equal(pixels(got.data), pixels(data))
    with Image.open(io.BytesIO(got.data)) as image:
        assert not image.getexif()
        assert not {"exif", "xmp", "icc_profile", "comment", "Comment"} & set(image.info)
    again = process_image(got.data, section(kind))
    assert (again.data, again.phash) == (got.data, got.phash)


@pytest.mark.parametrize("kind", ENDINGS)
@pytest.mark.parametrize("progressive", [False, True])
def test_a_plain_file_keeps_its_bytes(kind: str, progressive: bool) -> None:
    data = plain(kind, **({"progressive": True} if progressive and kind == "JPEG" else {}))
    assert process_image(data, section(kind)).data == data
    assert process_image(data, section(kind, reencode="always", quality=30)).data != data or (
        kind == "PNG"
    )


def _odd(what: str) -> bytes:
    if what == "profile":
        return plain("JPEG", icc_profile=srgb_profile())
    if what == "lying":
        exif = Image.Exif()
        exif[0x0112] = 6
        return plain("JPEG", exif=exif)
    return saved(Image.new("RGB", (64, 48), (200, 30, 30)).convert(what), "JPEG")


@pytest.mark.parametrize("what", ["profile", "lying", "L", "CMYK"])
def test_what_must_be_changed_is_encoded_anew(what: str) -> None:
    data = _odd(what)
    got = process_image(data, section("JPEG"))
    assert got.data == process_image(data, section("JPEG", reencode="always")).data
    with Image.open(io.BytesIO(got.data)) as image:
        assert image.mode == "RGB"


def test_a_jfif_thumbnail_stays_behind() -> None:
    file = plain("JPEG")
    assert file[2:4] == b"\xff\xe0"
    body = file[6:18] + b"\2\2" + SECRET
    data = file[:4] + struct.pack(">H", len(body) + 2) + body + file[20:]
    assert stripped(data, "JPEG") == file


@given(data=st.binary(max_size=300), kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF"]))
def test_it_never_raises(data: bytes, kind: str) -> None:
    heads = {"JPEG": b"\xff\xd8", "PNG": b"\x89PNG\r\n\x1a\n", "WEBP": b"RIFF\0\0\0\0WEBP"}
    stripped(heads.get(kind, b"") + data, kind)


@given(at=st.integers(0, 2500), value=st.integers(0, 255), kind=st.sampled_from(sorted(ENDINGS)))
def test_a_changed_byte_never_leaks(at: int, value: int, kind: str) -> None:
    data = bytearray(with_secrets(kind))
    data[at % len(data)] = value
    got = process_image(bytes(data), section(kind))
    assert SECRET not in got.data


def test_real_and_hostile_files(data_dir: Path) -> None:
    n_kept = 0
    for path in sorted((data_dir / "hostile").rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        kind = sniff(data[:64])
        if kind not in ENDINGS or len(data) > 2_000_000:
            continue
        got = process_image(data, section(kind, max_pixels=4_000_000))
        if got.outcome != Outcome.OK:
            continue
        with Image.open(io.BytesIO(got.data)) as image:
            assert not image.getexif(), path
            assert not {"exif", "xmp", "icc_profile", "comment", "photoshop"} & set(image.info)
        kept = stripped(data, kind)
        if got.data == kept:
            n_kept += 1
            assert np.array_equal(pixels(kept), pixels(data)), path
    assert n_kept > 30


def test_a_png_with_a_wrong_checksum_is_encoded_anew() -> None:
    png = bytearray(picture(kind="PNG"))
    png[29] ^= 1  # in the CRC of IHDR
    assert stripped(bytes(png), "PNG") is None


def test_fill_bytes_before_a_marker_are_skipped() -> None:
    """ITU-T T.81 §B.1.1.2 allows any number of them."""
    jpeg = picture()
    assert stripped(jpeg[:2] + b"\xff\xff" + jpeg[2:], "JPEG") == stripped(jpeg, "JPEG")
