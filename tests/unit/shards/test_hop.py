"""Headers of tars of all kinds, and of none: held against tarfile, GNU tar and hostile bytes."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tars_of_others import pair, pairs, reading, write_tar
from webpairs_core.errors import ShardCorrupt
from webpairs_shards.stores.foreign.hop import members

LONG = "folder-" + "x" * 90 + "/" + "y" * 120


def names(path: Path) -> list[tuple[str, int, int]]:
    read, n_bytes = reading(path)
    return [(name.decode(), data, size) for name, _, data, size in members(read, n_bytes)]


def tarfile_names(path: Path) -> list[tuple[str, int, int]]:
    with tarfile.open(path) as tar:
        return [(m.name, m.offset_data, m.size) for m in tar if m.isreg()]


@pytest.mark.parametrize("format", [0, 1, 2])
@pytest.mark.parametrize("key", ["a", "dir/a", "f" * 92, "d" * 150 + "/" + "k" * 60, "größe/캡션"])
def test_as_tarfile_lists_them(tmp_path: Path, format: int, key: str) -> None:
    path = write_tar(tmp_path / "a.tar", [*pair(key, 3), *pair(f"{key}2", 4)], format)
    assert names(path) == tarfile_names(path)
    assert len(names(path)) == 6


@pytest.mark.parametrize("format", ["v7", "oldgnu", "gnu", "ustar", "pax"])
def test_as_gnu_tar_writes_them(tmp_path: Path, format: str) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name, data in pairs(range(40)):
        (tmp_path / "in" / "deep" / name).write_bytes(data)
    (tmp_path / "in" / "link.jpg").symlink_to("deep")
    path = tmp_path / "a.tar"
    words = ["tar", f"--format={format}", "--sort=name", "-cf", str(path)]
    subprocess.run([*words, "-C", str(tmp_path / "in"), "."], check=True)
    assert names(path) == tarfile_names(path)
    assert len(names(path)) == 120


def test_where_a_members_headers_start(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [*pair("a"), *pair(LONG), *pair("ä", 7)], 2)
    read, n_bytes = reading(path)
    found = list(members(read, n_bytes))
    for member in found:
        assert next(members(read, n_bytes, member[1])) == member


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, b"4"):
            member = tarfile.TarInfo(f"odd{kind.decode()}.jpg")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        member = tarfile.TarInfo("inner.tar")
        member.size = 20_480
        tar.addfile(member, io.BytesIO(b"\0" * 20_480))
        member = tarfile.TarInfo("after.txt")
        tar.addfile(member)
    assert [name for name, _, _ in names(path)] == ["inner.tar", "after.txt"]


def test_an_image_is_never_read(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("a.jpg", bytes(10_000_000)), ("a.txt", b"x")])
    read, n_bytes = reading(path)
    asked = []

    def counted(start: int, n: int) -> bytes:
        asked.append(n)
        return read(start, n)

    assert len(list(members(counted, n_bytes))) == 2
    assert sum(asked) < 100_000


def test_sizes_in_base_256() -> None:
    huge = tarfile.TarInfo("huge.bin")
    huge.size = 9 * 2**30
    header = huge.tobuf(tarfile.GNU_FORMAT)
    end = len(header) + huge.size

    def read(start: int, n: int) -> bytes:
        pieces = {0: header, end: bytes(1024)}
        return pieces.get(start, b"")[:n]

    assert list(members(read, end + 1024)) == [(b"huge.bin", 0, 512, 9 * 2**30)]


def test_a_pax_size_beats_the_one_of_the_header() -> None:
    huge = tarfile.TarInfo("huge.bin")
    huge.size = 9 * 2**30
    header = huge.tobuf(tarfile.PAX_FORMAT)
    end = len(header) + huge.size

    def read(start: int, n: int) -> bytes:
        if start >= end:
            return bytes(1024)[:n]
        return header[start : start + n]

    assert list(members(read, end + 1024)) == [(b"huge.bin", 0, len(header), 9 * 2**30)]


def _with(header: bytearray, at: int, value: bytes) -> bytes:
    """A header with one field changed and a checksum that is right again."""
    header[at : at + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def _header(name: str = "a.jpg", kind: bytes = b"0", size: int = 0) -> bytearray:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return bytearray(member.tobuf(tarfile.USTAR_FORMAT))


def _pax(body: bytes) -> bytes:
    length = -(-len(body) // 512) * 512
    return bytes(_header("pax", b"x", len(body))) + body.ljust(length, b"\0") + bytes(_header())


END = bytes(1024)
BAD = [
    (b"", "is empty"),
    (b"abc", "is not a tar"),
    (bytes(_header()), "is cut short: it ends at byte 512 without the end"),
    (bytes(_header(size=5000)) + bytes(600), "is cut short: it ends at byte 1,112"),
    (bytes(_header())[:300], "is not a tar"),
    (b"\x1f\x8b" + bytes(600), "is compressed by gzip: unpack it"),
    (b"BZh9" + bytes(600), "is compressed by bzip2"),
    (b"\xfd7zXZ" + bytes(600), "is compressed by xz"),
    (b"\x28\xb5\x2f\xfd" + bytes(600), "is compressed by zstd"),
    (b"<html>" + bytes(600), "is not a tar"),
    (bytes(_header()) + b"\1" * 512 + END, "is damaged at byte 512: no header is there"),
    (_with(_header(), 124, b"-0000000010\0") + END, "member of impossible size at byte 0"),
    (_with(_header(), 124, b"00000000018\0") + END, "member of impossible size at byte 0"),
    (_with(_header(), 124, b"\xff" * 12) + END, "member of impossible size at byte 0"),
    (_with(_header(), 124, b"\x80" + b"\x7f" * 11) + END, "is cut short"),
    (_with(_header(), 156, b"S") + END, "holds a sparse file at byte 0"),
    (_pax(b"22 GNU.sparse.major=1\n") + END, "holds a sparse file"),
    (_pax(b"12 size=-10\n") + END, "member of impossible size"),
    (_pax(b"99 path=abc\n") + END, "damaged pax header"),
    (_pax(b"0 path=abc\n") + END, "damaged pax header"),
    (_pax(b" path=abc\n") + END, "damaged pax header"),
    (bytes(_header("pax", b"x", 3 << 20)) + END, "extension header of 3,145,728 bytes"),
    (bytes(_header("pax", b"x", 3000)) + END, "is cut short"),
    (
        bytes(_header("pax", b"g", 12)) + b"12 path=abc\n".ljust(512, b"\0") + END,
        "gives all its members one name or size",
    ),
    (bytes(_header()) + END + bytes(_header()) + END, "goes on after its end at byte 512"),
]


@pytest.mark.parametrize(("data", "sentence"), BAD)
def test_named_and_refused(data: bytes, sentence: str) -> None:
    def read(start: int, n_bytes: int) -> bytes:
        return data[start : start + n_bytes]

    with pytest.raises(ShardCorrupt, match=sentence):
        list(members(read, len(data)))


def test_links_have_no_data_and_old_folders_are_no_files() -> None:
    """As `tarfile` has it: a link may repeat the size of what it links to; V7 folders are files
    whose names end with a slash."""
    for kind in (b"1", b"2", b"3", b"4", b"5", b"6"):
        link = _with(_header("link", kind), 124, b"00000001750\0")
        data = link + bytes(_header("folder/", b"\0")) + bytes(_header("a.txt")) + END
        found = list(members(lambda at, n: data[at : at + n], len(data)))  # noqa: B023
        assert [name for name, *_ in found] == [b"a.txt"]


def test_times_of_old_gnu_tar_are_no_part_of_a_name() -> None:
    header = bytearray(_with(_header(), 257, b"ustar  \0"))
    data = _with(header, 345, b"14412345670\0") + END
    found = list(members(lambda at, n: data[at : at + n], len(data)))
    assert [name for name, *_ in found] == [b"a.jpg"]


def test_a_size_beyond_all_disks_is_refused_before_the_disk_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(_with(_header(), 124, b"\x80" + b"\x7f" * 11) + END)
    with path.open("rb") as file, pytest.raises(ShardCorrupt, match="is cut short"):
        list(members(lambda at, n: os.pread(file.fileno(), n, at), 1536))


@pytest.mark.parametrize(
    "size", [b"00000001750", b"     1750 \0", b"000000001750", b"1750\0\0\0\0"]
)
def test_sizes_as_old_tars_write_them(size: bytes) -> None:
    data = _with(_header(), 124, size) + bytes(1024) + END
    found = list(members(lambda at, n: data[at : at + n], len(data)))
    assert [size for _, _, _, size in found] == [0o1750]


def test_signed_checksums_are_right_too() -> None:
    header = _header("größe.jpg")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(b - 256 if b > 127 else b for b in header)
    data = bytes(header) + END
    assert len(list(members(lambda at, n: data[at : at + n], len(data)))) == 1


def test_one_flipped_bit_of_a_header_is_seen(tmp_path: Path) -> None:
    data = write_tar(tmp_path / "a.tar", pair("a")).read_bytes()
    for place in (0, 60, 124, 130, 148, 150, 156, 257, 400):
        spoilt = bytearray(data)
        spoilt[place] ^= 1
        whole = bytes(spoilt)
        with pytest.raises(ShardCorrupt):
            list(members(lambda at, n: whole[at : at + n], len(data)))  # noqa: B023
