"""Tars made on purpose to break who reads them: the check ends, in bounded memory, with a word."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foreign_tars import many, picture, put, sample, tar_bytes
from webpairs_shards.check import tars
from webpairs_shards.check.findings import Report
from webpairs_shards.check.kinds import KINDS
from webpairs_shards.check.verify import verify

HOSTILE = Path(os.environ.get("WEBPAIRS_HOSTILE", "/nonexistent"))


def kinds(report: Report) -> dict[str, int]:
    counted: dict[str, int] = {}
    for found in report.findings:
        counted[found.kind] = counted.get(found.kind, 0) + found.n
    return counted


def _special(kind: bytes, name: str = "000000001.jpg", link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def _tar(path: Path, *infos: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(bytes(info.size)))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_what_is_no_file_is_not_opened(tmp_path: Path, kind: bytes) -> None:
    _tar(tmp_path / "a.tar", _special(kind, link="/etc/passwd"))
    found = kinds(verify(tmp_path / "a.tar"))
    assert found["not_a_file"] == 1
    assert "unread_member" not in found


@pytest.mark.parametrize("name", ["/etc/a.jpg", "../a.jpg", "a/../../b.txt", "a/.."])
def test_names_that_climb(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tar").write_bytes(tar_bytes([(name, b"x")]))
    found = verify(tmp_path / "a.tar").faults
    assert [f.keys for f in found if f.kind == "climbing_name"] == [(name,)]
    assert [path.name for path in tmp_path.rglob("*")] == ["a.tar"]


@pytest.mark.parametrize(
    "name", ["a\x00b.jpg", "a\x1b[2Jb.jpg", "a\udcffb.jpg", "x" * 9_000 + ".jpg"]
)
def test_odd_names_are_shown_in_plain_characters(tmp_path: Path, name: str) -> None:
    with tarfile.open(
        tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT, errors="surrogateescape"
    ) as tar:
        info = tarfile.TarInfo("short.jpg")
        info.size, info.pax_headers = 1, {"path": name}
        tar.addfile(info, io.BytesIO(b"x"))
    [found] = [f for f in verify(tmp_path / "a.tar").findings if f.kind == "odd_name"]
    assert all(key.isprintable() and len(key) < 400 for key in found.keys)
    found.keys[0].encode()


def test_a_tar_inside_of_a_tar(tmp_path: Path) -> None:
    inner = tar_bytes(many())
    put(tmp_path, many(), [("000000009.tar", inner), *sample(10)], many(16), many(24))
    assert kinds(verify(tmp_path))["no_image"] == 1


def test_a_gzip_that_unpacks_to_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One member of zeros, larger than what is read; and zeros after the end of the tar."""
    monkeypatch.setattr(tars, "MAX_READ_BYTES", 1 << 20)
    header = tarfile.TarInfo("000000001.jpg")
    header.size = 1 << 28
    block = bytes(1 << 20)
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        file.write(header.tobuf())
        for _ in range(1 << 8):
            file.write(block)
        file.write(bytes(1 << 24))
    found = {f.kind: f for f in verify(tmp_path / "a.tar.gz").findings}
    assert found["large_member"].detail == "268,435,456 bytes"
    assert "after_end" not in found


def test_a_size_that_the_file_does_not_have(tmp_path: Path) -> None:
    header = tarfile.TarInfo("000000001.jpg")
    header.size = 1 << 40
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2_000))
    assert kinds(verify(tmp_path / "a.tar"))["cut_tar"] == 1


@pytest.mark.parametrize(
    "size", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"-0000000001\0", b"9" * 12]
)
def test_sizes_that_are_no_sizes(tmp_path: Path, size: bytes) -> None:
    good = bytearray(tar_bytes(many(0, 2)))
    place = 3 * 1024 if len(good) > 4096 else 0
    header = bytearray(tarfile.TarInfo("000000001.jpg").tobuf())
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(good[place:]))
    found = kinds(verify(tmp_path / "a.tar"))
    assert found.keys() & {"bad_header", "cut_tar", "not_a_tar", "no_end", "after_end"}


def test_headers_in_headers(tmp_path: Path) -> None:
    """A chain of pax headers, each of which describes the next one."""
    pax = _special(tarfile.XHDTYPE, "pax")
    pax.size = 0
    (tmp_path / "a.tar").write_bytes(pax.tobuf() * 5_000)
    found = kinds(verify(tmp_path / "a.tar"))
    assert found.keys() & {"bad_header", "not_a_tar", "cut_tar"}


def test_a_hundred_thousand_members(tmp_path: Path) -> None:
    block = tarfile.TarInfo("x").tobuf()
    assert len(block) == 512
    with (tmp_path / "a.tar").open("wb") as file:
        for number in range(100_000):
            file.write(tarfile.TarInfo(f"{number % 50_000:06d}.cls").tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(1024))
    report = verify(tmp_path / "a.tar", 1)
    found = {f.kind: f for f in report.findings}
    assert report.n_samples == 100_000
    assert (found["key_twice"].n, found["no_image"].n) == (50_000, 100_000)
    assert len(report.findings) < 10


def test_many_members_of_one_sample(tmp_path: Path) -> None:
    with (tmp_path / "a.tar").open("wb") as file:
        for number in range(20_000):
            file.write(tarfile.TarInfo(f"a.{number:06d}.jpg").tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(1024))
    report = verify(tmp_path / "a.tar", 1)
    assert report.n_samples == 1
    assert kinds(report)["dotted_key"] == 1


def _bomb() -> bytes:
    """A PNG that claims 60,000 x 60,000 pixels in a few bytes."""
    data = bytearray(picture(0, "PNG"))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize("is_quick", [False, True])
def test_a_picture_that_is_a_bomb(tmp_path: Path, is_quick: bool) -> None:
    put(tmp_path, many(), [*many(8, 7), *sample(15, jpg=_bomb())], many(16), many(24))
    found = kinds(verify(tmp_path, quick=is_quick))
    assert found == {"image_too_large": 1, "wrong_ending": 1}


def test_json_that_is_too_deep_or_too_long(tmp_path: Path) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    put(
        tmp_path,
        [*many(0, 7), *sample(7, json=b"9" * 10_000)],
        [*many(8, 7), *sample(15, json=deep)],
        many(16),
        many(24),
    )
    assert kinds(verify(tmp_path)) == {"json_broken": 2}


@pytest.mark.skipif(not HOSTILE.exists(), reason="WEBPAIRS_HOSTILE names no folder of bad pictures")
def test_pictures_that_broke_decoders(tmp_path: Path) -> None:
    files = sorted(path for path in HOSTILE.rglob("*") if path.is_file())
    known = {"jpg": "jpg", "jpeg": "jpg", "png": "png", "webp": "webp", "gif": "gif"}
    members = []
    for number, path in enumerate(files):
        ending = known.get(path.suffix[1:].lower(), "jpg")
        members.append((f"{number:06d}.{ending}", path.read_bytes()))
        members.append((f"{number:06d}.txt", b"a picture"))
    (tmp_path / "a.tar").write_bytes(tar_bytes(members))
    report = verify(tmp_path / "a.tar", 1)
    assert report.n_samples == len(files)
    assert {f.kind for f in report.findings} >= {"image_broken", "wrong_ending"}
    assert "not_checked" not in kinds(report)


_WHOLE = tar_bytes([*many(0, 3), ("d" * 120 + "/a.txt", b"x")])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, len(_WHOLE) - 1), st.integers(0, 255)), max_size=8),
    st.integers(0, len(_WHOLE)),
)
def test_no_change_of_bytes_breaks_the_walk(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(_WHOLE)
    for place, value in changes:
        data[place] = value
    path = tmp_path_factory.mktemp("walk") / "a.tar"
    path.write_bytes(data[:cut])
    names: list[str] = []
    end = ""
    try:
        names += [member.name for member in tars.walk(path)]
    except tars.TarDamage as damage:
        end = damage.kind
    assert end in KINDS or (not end and cut >= 1024 and len(names) <= 10)
