"""How an archive packs its records: each in a gzip member, each in a zstd frame, or not at all.

fastwarc reads all of these fast; here is what reads one record with care, and finds the next one,
where fastwarc stops at damage.
"""

import re
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from webpairs_crawler.archive.source import ArchiveOutcome
from webpairs_crawler.archive.tape import Tape

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEADER_BYTES = 65_536
"""The longest record header that is read."""
_BITE = 4_096
"""Compressed bytes at a time: what a broken bite holds is lost as a whole."""
_PIECE = 1_048_576
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_DICTIONARY_MAGIC = b"\x5d\x2a\x4d\x18"
"""A skippable zstd frame that holds the dictionary of all others (WARC zstd specification 1.0)."""
_MAX_DICTIONARY = 16_777_216

_WARC_START = rb"WARC/[0-9]\.[0-9]+[ \t]*\r?\n[A-Za-z]"
_ARC_START = rb"(?:filedesc|https?|dns|ftp)://?[^\n]{1,8000} [0-9]{12,17} [^\n]{1,300}\n"
_RECORD = re.compile(rb"\s*+(?:" + _WARC_START + rb"|(" + _ARC_START + rb"))")
START_IN_TEXT = re.compile(_WARC_START + rb"|(?:\A|(?<=\n))" + _ARC_START)
"""The start of a record. That of WARC counts within a line too: a cut record has no line end."""


class Unpacked(msgspec.Struct, frozen=True):
    """A member of an archive, unpacked."""

    data: bytes
    """Its first bytes, as many as were asked for."""
    n_bytes: int
    """Its length."""
    end: int
    """The offset behind it; for a damaged one, where to look for the next."""
    damage: ArchiveOutcome | None = None


class _Member(Protocol):
    """One member while it is unpacked."""

    def take(self, data: bytes) -> Iterator[bytes]:
        """What comes out of some more data. Raises zlib.error or zstd.ZstdError."""

    @property
    def unused(self) -> bytes | None:
        """Data behind its end; None before that."""


class _GzipMember:
    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def take(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._inflater.decompress(data, _PIECE)
            yield piece
            data = self._inflater.unconsumed_tail
            if not data and len(piece) < _PIECE:
                return

    @property
    def unused(self) -> bytes | None:
        return self._inflater.unused_data if self._inflater.eof else None


class _ZstdFrame:
    def __init__(self, dictionary: zstd.ZstdDict | None) -> None:
        self._decompressor = zstd.ZstdDecompressor(zstd_dict=dictionary)

    def take(self, data: bytes) -> Iterator[bytes]:
        yield self._decompressor.decompress(data, _PIECE)
        while not self._decompressor.eof and not self._decompressor.needs_input:
            yield self._decompressor.decompress(b"", _PIECE)

    @property
    def unused(self) -> bytes | None:
        return self._decompressor.unused_data if self._decompressor.eof else None


class Packing:
    """A way to pack records: `PLAIN`, `gzip_members()`, `zstd_frames()`."""

    def __init__(
        self, magic: bytes = b"", member: Callable[[], _Member] | None = None, lead: bytes = b""
    ) -> None:
        self.lead = lead
        """What every run of records needs before it: the zstd dictionary."""
        self.is_plain = member is None
        self._magic = magic
        self._member = member

    def next_start(self, tape: Tape, offset: int, limit: int | None = None) -> int | None:
        """The offset of the first record at or after an offset, before `limit`; None for none.

        Without a limit the tape forgets what lies before.
        """
        at = max(offset, tape.first_held())
        step = _PIECE - (HEADER_BYTES if self.is_plain else len(self._magic))
        while limit is None or at < limit:
            if limit is None:
                tape.keep_from(at)
            block = tape.peek(at, _PIECE)
            found = self._start_in(tape, at, block)
            if found is not None:
                return found
            if len(block) < _PIECE:
                return None
            at += step
        return None

    def _start_in(self, tape: Tape, at: int, block: bytes) -> int | None:
        if self.is_plain:
            line = START_IN_TEXT.search(block)
            return at + line.start() if line else None
        found = block.find(self._magic)
        while found >= 0:
            # A magic number counts if a record comes out behind it.
            unpacked = self.unpack(tape, at + found, HEADER_BYTES, is_whole=False)
            if unpacked and _RECORD.match(unpacked.data):
                return at + found
            found = block.find(self._magic, found + 1)
        return None

    def unpack(
        self, tape: Tape, offset: int, max_bytes: int, is_whole: bool = True
    ) -> Unpacked | None:
        """Unpack the member at an offset and keep its first bytes; None when there is none.

        Not `is_whole`: stop when there are `max_bytes`.
        """
        if self._member is None or tape.peek(offset, len(self._magic)) != self._magic:
            return None
        member = self._member()
        data = bytearray()
        n_bytes, at = 0, offset
        while member.unused is None and (is_whole or len(data) < max_bytes):
            bite = tape.peek(at, _BITE)
            if not bite:  # cut by the file's end, or it has run through what follows it
                return Unpacked(bytes(data), n_bytes, offset + 1, ArchiveOutcome.TRUNCATED)
            at += len(bite)
            try:
                for piece in member.take(bite):
                    n_bytes += len(piece)
                    data += piece[: max(0, max_bytes - len(data))]
            except (zlib.error, zstd.ZstdError):
                damage = ArchiveOutcome.BAD_COMPRESSION
                return Unpacked(bytes(data), n_bytes, offset + 1, damage)
        return Unpacked(bytes(data), n_bytes, at - len(member.unused or b""))

    def stream(self, tape: Tape, offset: int) -> Iterator[bytes]:
        """All that members hold from an offset on, as one stream; damaged parts are left out."""
        at: int | None = offset
        while at is not None and self._member is not None:
            member = self._member()
            begun = at
            while member.unused is None:
                tape.keep_from(at)
                bite = tape.peek(at, _BITE)
                if not bite:
                    return
                at += len(bite)
                try:
                    yield from member.take(bite)
                except (zlib.error, zstd.ZstdError):
                    begun, at = -1, max(begun + 1, at - len(bite))
                    break
            at -= len(member.unused or b"")
            if begun < 0 or tape.peek(at, len(self._magic)) != self._magic:
                at = self.next_start(tape, at)


class InflatedStream:
    """What a compressed archive holds, as a stream to read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._waiting = b""

    def read(self, n_bytes: int = -1) -> bytes:
        """At most `n_bytes` bytes; none at the end."""
        while not self._waiting:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._waiting = piece
        cut = len(self._waiting) if n_bytes < 0 else n_bytes
        data, self._waiting = self._waiting[:cut], self._waiting[cut:]
        return data


PLAIN = Packing()


def gzip_members() -> Packing:
    """Each record is a gzip member (WARC 1.1, annex D)."""
    return Packing(b"\x1f\x8b\x08", _GzipMember)


def zstd_frames(lead: bytes = b"") -> Packing:
    """Each record is a zstd frame; `lead` is the frame that holds their dictionary."""
    words = lead[8:]
    if words.startswith(ZSTD_MAGIC):
        words = zstd.decompress(words)
    dictionary = zstd.ZstdDict(words) if words else None
    return Packing(ZSTD_MAGIC, lambda: _ZstdFrame(dictionary), lead)


def dictionary_frame(tape: Tape) -> bytes:
    """The frame with the dictionary at the start of a zstd archive; empty when there is none."""
    head = tape.peek(0, 8)
    if head[:4] != _DICTIONARY_MAGIC:
        return b""
    return tape.peek(0, 8 + min(int.from_bytes(head[4:8], "little"), _MAX_DICTIONARY))


def is_arc(data: bytes) -> bool:
    """Whether the first bytes of a record, unpacked, are of the older ARC format."""
    found = _RECORD.match(data)
    return bool(found and found.group(1))


def is_record(data: bytes) -> bool:
    """Whether some unpacked bytes start with a record."""
    return _RECORD.match(data) is not None
