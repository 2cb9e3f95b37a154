"""Walk any tar, whoever made it, whatever is wrong with it, in bounded memory.

`tarfile` reads the headers (ustar, GNU and pax names), but it takes a broken header for the end and
never looks behind the end mark: this walk does. Nothing is unpacked, so names cannot write.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

import msgspec

MAX_READ_BYTES = 256 * 2**20
"""A larger member is not read: only its size is known."""
MAX_NAME = 4_096
"""Characters of a name that is still looked at: the longest path of Linux."""
_BLOCK = 512
_CHUNK = 2**20
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
_UNPACKING = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
_PARSING = (ValueError, OverflowError, LookupError, RecursionError, MemoryError)
"""What a header that somebody made up on purpose raises inside of `tarfile`."""


class TarDamage(Exception):
    """The walk ends here."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        """A key of KINDS."""
        self.detail = detail


class Member(msgspec.Struct, frozen=True, gc=False):
    """One entry of a tar."""

    name: str
    """As it stands there; bytes that are not UTF-8 as surrogates."""
    offset: int
    """Where its data start in the tar, in bytes."""
    size: int
    mtime: float
    is_file: bool
    is_folder: bool
    data: bytes | None
    """None for what is no file or larger than MAX_READ_BYTES."""

    @property
    def is_climbing(self) -> bool:
        """Whether it would be unpacked outside of the folder it is meant for."""
        pure = PurePosixPath(self.name[:MAX_NAME])
        return pure.is_absolute() or ".." in pure.parts


def walk(path: Path) -> Iterator[Member]:
    """Each member of a tar, plain or compressed by gzip, bzip2 or xz, in its order.

    Raises TarDamage where the tar is damaged, after all members before that place; OSError when the
    file cannot be read.
    """
    if path.stat().st_size == 0:
        raise TarDamage("empty_file")
    with _opened(path) as stream:
        tape = _Tape(stream)
        try:
            yield from _members(tape)
            _check_end(tape)
        except _UNPACKING as error:
            raise TarDamage("cut_tar", f"the compressed data ends or breaks: {error}") from None
        except tarfile.ReadError as error:
            kind = "cut_tar" if tape.has_members else "not_a_tar"
            raise TarDamage(kind, str(error)) from None
        except (tarfile.TarError, *_PARSING) as error:
            raise TarDamage("bad_header", f"{type(error).__name__}: {error}") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        head = file.read(len(_XZ))
        file.seek(0)
        if head.startswith(_GZIP):
            with gzip.GzipFile(fileobj=file, mode="rb") as plain:
                yield cast("IO[bytes]", plain)
        elif head.startswith(_BZIP2):
            with bz2.BZ2File(file) as plain_bz2:
                yield cast("IO[bytes]", plain_bz2)
        elif head.startswith(_XZ):
            with lzma.LZMAFile(file) as plain_xz:
                yield cast("IO[bytes]", plain_xz)
        else:
            yield file


class _Tape(io.RawIOBase):
    """A stream that remembers the last header that was read: going back in gzip starts anew."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.header = b""
        self.has_members = False

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if size == _BLOCK:
            self.header = data
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _members(tape: _Tape) -> Iterator[Member]:
    place = -1
    with tarfile.open(
        fileobj=cast("BinaryIO", tape), mode="r:", encoding="utf-8", errors="surrogateescape"
    ) as tar:
        # Without the second line the tar would remember each of them.
        while (info := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]
            if info.size < 0 or info.offset <= place or tar.offset <= info.offset:
                raise TarDamage("bad_header", "a size below zero")
            place = info.offset
            tape.has_members = True
            yield Member(
                name=info.name,
                offset=info.offset_data,
                size=info.size,
                mtime=info.mtime,
                is_file=info.isreg(),
                is_folder=info.isdir(),
                data=_data(tar, info),
            )


def _data(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes | None:
    if not info.isreg() or info.size > MAX_READ_BYTES:
        return None
    stream = tar.extractfile(info)
    assert stream is not None
    data = stream.read()
    if len(data) != info.size:
        raise tarfile.ReadError("unexpected end of data")
    return data


def _check_end(tape: _Tape) -> None:
    """`tarfile` has found no further header: is this the end? Raises TarDamage."""
    if len(tape.header) < _BLOCK:
        raise TarDamage("cut_tar" if tape.header else "no_end")
    if tape.header.strip(b"\0"):
        raise TarDamage("bad_header" if tape.has_members else "not_a_tar")
    while rest := tape.read(_CHUNK):
        if rest.strip(b"\0"):
            raise TarDamage("after_end")
