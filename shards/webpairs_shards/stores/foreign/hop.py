"""The files in a tar, found by hopping from header to header: the bytes of a member are never read.

Read are ustar, pax and GNU tar (POSIX.1-2017, `pax` utility, "ustar Interchange Format" and "pax
Interchange Format"; GNU tar manual, "Basic Tar Format") and the old V7 headers, as `tarfile` reads
them. `tarfile` costs 20 to 50 µs a member; a dataset of 10 million samples has 30 million.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from struct import Struct
from typing import NamedTuple
from zlib import adler32

from webpairs_core.errors import ShardCorrupt

Read = Callable[[int, int], bytes]
"""read(start, n_bytes): bytes of one tar, fewer where it ends before."""
Member = tuple[bytes, int, int, int]
"""A file in a tar: its name as it stands there, never used as a path; where its first header
starts, extensions included, so that the name can be read again; where its data start; their bytes.
A plain tuple: one is made for each member."""

BLOCK = 512
_WINDOW = 8 * 1024
"""Read at once: JSON and caption are small, so the header after them is mostly there already."""
_ADLER = 65_521
_ZEROS = bytes(BLOCK)
_LONGEST_EXTENSION = 1 << 20
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_FIELDS = Struct("124x12s12x8sc").unpack_from
"""Of a header: size, checksum, type."""
_FILES = frozenset((b"0", b"\0", b"7"))
_WITHOUT_DATA = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
_EXTENSIONS = frozenset((b"x", b"X", b"g", b"L", b"K"))
_NUMBER = re.compile(rb" *([0-7]*) *(?:\0.*)?", re.DOTALL)
_PAX_SIZE = re.compile(rb"[0-9]{1,19}")
_MATTERS = re.compile(rb" (?:path|size|GNU\.sparse\.[^=]*)=")


class _Meant(NamedTuple):
    """What extension headers say of the member that follows."""

    name: bytes | None = None
    n_bytes: int | None = None


_NOTHING = _Meant()


def members(read: Read, n_bytes: int, at: int = 0) -> Iterator[Member]:
    """The files of a tar of `n_bytes` from the header at `at` on; folders, links and devices are
    passed over.

    Raises ShardCorrupt, in words that go on after the name of the tar, where it is compressed, cut
    short, damaged, sparse, or goes on after its end.
    """
    window, base = b"", at
    first, meant = at, _NOTHING
    while True:
        inside = at - base
        if inside + BLOCK > len(window):
            window, base, inside = read(at, _WINDOW), at, 0
            if len(window) < BLOCK:
                raise ShardCorrupt(_end(window, at, n_bytes))
        header = window[inside : inside + BLOCK]
        size_field, checksum, kind = _FIELDS(header)
        if adler32(header) & 0xFFFF != _expected(checksum) and not _fits_signed(header, checksum):
            if header == _ZEROS:
                break
            raise ShardCorrupt(_no_header(header, at))
        size = _size(size_field)
        if size < 0:
            raise ShardCorrupt(f"has a member of impossible size at byte {at:,}: copy it again")
        data = at + BLOCK
        if kind in _EXTENSIONS:
            inside += BLOCK
            body = window[inside : inside + size]
            meant = _extended(meant, kind, body if len(body) == size else _body(read, data, size))
            at = data + -(-size // BLOCK) * BLOCK
            continue
        if meant.n_bytes is not None:
            size = meant.n_bytes
        if kind in _WITHOUT_DATA:
            size = 0
        at = data + -(-size // BLOCK) * BLOCK
        if at > n_bytes:
            raise ShardCorrupt(_end(b"", at, n_bytes))
        if kind in _FILES:
            name = _name(header) if meant.name is None else meant.name
            if not name.endswith(b"/"):
                yield name, first, data, size
        elif kind == b"S":
            raise ShardCorrupt(f"holds a sparse file at byte {first:,}: pack it without --sparse")
        first, meant = at, _NOTHING
    if read(at, 1 << 16).strip(b"\0"):
        raise ShardCorrupt(
            f"goes on after its end at byte {at:,}: tars were put one after another, and readers "
            "stop at the first end; pack them anew"
        )


@lru_cache(1 << 15)
def _expected(stored: bytes) -> int:
    """The low half of the Adler-32 of a header that has this checksum, or -1: it is one more than
    the sum of all bytes, modulo 65,521, and many times as fast as `sum`. The checksum counts its
    own field as eight spaces. Remembered: most headers of a tar have one of a few thousand."""
    found = _NUMBER.fullmatch(stored)
    if found is None:
        return -1
    return (int(found[1] or b"0", 8) - 8 * 32 + sum(stored) + 1) % _ADLER


def _fits_signed(header: bytes, stored: bytes) -> bool:
    """Whether the checksum is right when bytes have signs, as in some old tars."""
    n_high = sum(byte > 127 for byte in header)
    expected = _expected(stored)
    return expected >= 0 and ((adler32(header) & 0xFFFF) - 256 * n_high - expected) % _ADLER == 0


@lru_cache(1 << 15)
def _size(field: bytes) -> int:
    """Octal digits; or, from 8 GiB on, base 256 (GNU, star): first bit set, the rest a number. -1
    for what is neither."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    found = _NUMBER.fullmatch(field)
    return int(found[1] or b"0", 8) if found else -1


def _name(head: bytes) -> bytes:
    name = head[:100].partition(b"\0")[0]
    # GNU tar keeps times where POSIX has the first part of a long name.
    if head[345] and head[257:263] == b"ustar\0":
        return head[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _extended(meant: _Meant, kind: bytes, body: bytes) -> _Meant:
    """What is meant after one more extension header."""
    if kind == b"L":
        return meant._replace(name=body.partition(b"\0")[0])
    if kind == b"K" or not _MATTERS.search(body):  # K: the target of a link
        return meant
    said = _pax(body)
    if kind == b"g" and said:
        raise ShardCorrupt("gives all its members one name or size: pack it again")
    if any(word.startswith(b"GNU.sparse.") for word in said):
        raise ShardCorrupt("holds a sparse file: pack it without --sparse")
    size = said.get(b"size")
    if size is not None and not _PAX_SIZE.fullmatch(size):
        raise ShardCorrupt(f"has a member of impossible size ({size[:20]!r}): copy it again")
    return _Meant(said.get(b"path", meant.name), meant.n_bytes if size is None else int(size))


def _pax(body: bytes) -> dict[bytes, bytes]:
    """Of the records of a pax header, `LENGTH KEY=VALUE\\n` each, those that matter."""
    said: dict[bytes, bytes] = {}
    at = 0
    while at < len(body) and body[at]:
        digits = body[at : at + 8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = body[at : at + length]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if not equals or len(record) < length or not record.endswith(b"\n"):
            raise ShardCorrupt(f"has a damaged pax header ({body[at : at + 20]!r}): copy it again")
        if key in (b"path", b"size") or key.startswith(b"GNU.sparse."):
            said[key] = value
        at += length
    return said


def _body(read: Read, start: int, n_bytes: int) -> bytes:
    if n_bytes > _LONGEST_EXTENSION:
        raise ShardCorrupt(
            f"has an extension header of {n_bytes:,} bytes at byte {start:,}: it is damaged or "
            "hostile; leave it out"
        )
    body = read(start, n_bytes)
    if len(body) < n_bytes:
        raise ShardCorrupt(_end(b"", start + n_bytes, start + len(body)))
    return body


def _no_header(head: bytes, at: int) -> str:
    for magic, name in _PACKED.items():
        if at == 0 and head.startswith(magic):
            return f"is compressed by {name}: unpack it, samples are read from the middle of tars"
    if at == 0:
        return "is not a tar: its first header is damaged"
    return f"is damaged at byte {at:,}: no header is there; copy it again"


def _end(rest: bytes, at: int, n_bytes: int) -> str:
    if n_bytes == 0:
        return "is empty: copy it again, or leave it out"
    if at == 0:
        return _no_header(rest, 0) if rest else "is not a tar"
    return (
        f"is cut short: it ends at byte {n_bytes:,} without the end that a tar has; copy it again, "
        "or leave it out"
    )
