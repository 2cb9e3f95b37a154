"""The records of an archive, good and damaged, one after the other.

fastwarc reads them as long as it can. It stops at damage, and some damage it does not see: a record
cut by the end of the file, or one whose length swallows what follows. So a record is handed out
only when the next one was found behind it, and where that fails we read record by record
ourselves (`careful`) until one is bad, count it, and look for the next start of a record.
"""

from collections.abc import Generator, Iterator
from typing import BinaryIO, cast

from fastwarc.warc import ArchiveIterator

from webpairs_core.errors import PartCorrupt
from webpairs_crawler.archive.careful import Reading, read_carefully
from webpairs_crawler.archive.members import (
    HEADER_BYTES,
    PLAIN,
    InflatedStream,
    Packing,
    dictionary_frame,
    gzip_members,
    is_arc,
    is_record,
    zstd_frames,
)
from webpairs_crawler.archive.record import ARC, SECOND_START, WARC, WITH_BODY, Header, Record
from webpairs_crawler.archive.tape import Readable, Tape

_TYPES = {
    2: "warcinfo",
    4: "response",
    8: "resource",
    16: "request",
    32: "metadata",
    64: "revisit",
    128: "conversion",
    256: "continuation",
}
_GLANCE_BYTES = 1_024
_PADDING = b"\0\r\n\t "
_PROBE_BYTES = 4_194_304
"""Where no record starts within so much, there is no archive."""
_TRUSTED_BYTES = 16_777_216
"""A longer record is looked at with care: if its length lies, too much is swallowed."""


def read_records(stream: Readable, name: str, max_bytes: int) -> Iterator[Record]:
    """The records of an archive, in order.

    Bodies are cut at `max_bytes` + 1. Raises PartCorrupt when there is no record at all, and what
    reading the stream raises.
    """
    tape = Tape(stream)
    if not tape.peek(0, 1):
        raise PartCorrupt(f"{name} is empty: fetch it again, or take it out of crawl.warc")
    packing, start = _packing_of(tape, name)
    if not packing.is_plain and _holds_many(tape, packing, start):
        # Compressed as a whole: seen through one inflating stream, it is a plain archive.
        tape, packing, start = Tape(InflatedStream(packing.stream(tape, start))), PLAIN, 0
    form = ARC if is_arc(_head(tape, packing, start)) else WARC
    # From the very start: what lies before the first record is damage to be counted.
    yield from _records(tape, Reading(packing, form, max_bytes), len(packing.lead))


def _packing_of(tape: Tape, name: str) -> tuple[Packing, int]:
    """How the archive is packed, and where its first record starts."""
    lead = dictionary_frame(tape)
    packings = [zstd_frames(lead)] if lead else [gzip_members(), zstd_frames(), PLAIN]
    found = []
    for packing in packings:
        start = packing.next_start(tape, 0, _PROBE_BYTES)
        while start is not None and _header(tape, packing, start) is None:
            start = packing.next_start(tape, start + 1, _PROBE_BYTES)
        if start is not None:
            found.append((start, packing))
        if start == 0:
            break
    if not found:
        raise PartCorrupt(f"{name} is no WARC, ARC or WAT file: take it out of crawl.warc")
    start, packing = min(found, key=lambda one: one[0])
    return packing, start


def _header(tape: Tape, packing: Packing, start: int) -> Header | None:
    head = _head(tape, packing, start)
    return (ARC if is_arc(head) else WARC).parse(head)


def _head(tape: Tape, packing: Packing, start: int) -> bytes:
    """The first bytes of the first record."""
    unpacked = packing.unpack(tape, start, HEADER_BYTES, is_whole=False)
    return unpacked.data if unpacked else tape.peek(start, HEADER_BYTES)


def _holds_many(tape: Tape, packing: Packing, start: int) -> bool:
    """Whether the first member holds more than its first record."""
    header = _header(tape, packing, start)
    if header is None or header.length is None or header.length > _TRUSTED_BYTES:
        return False
    end = header.n_bytes + header.length
    unpacked = packing.unpack(tape, start, end + HEADER_BYTES, is_whole=False)
    return unpacked is not None and is_record(unpacked.data[end:])


def _records(tape: Tape, reading: Reading, start: int) -> Iterator[Record]:
    at: int | None = start
    while at is not None:
        if reading.format is WARC:  # fastwarc reads no ARC
            at = yield from _trusted(tape, reading, at)
        if not tape.peek(at, HEADER_BYTES).strip(_PADDING):
            return
        tape.keep_from(at)
        record, after = read_carefully(tape, reading, at)
        yield record
        at = reading.packing.next_start(tape, after) if record.damage else after


def _trusted(tape: Tape, reading: Reading, start: int) -> Generator[Record, None, int]:
    """The records that fastwarc reads and that are beyond doubt; gives the offset of the first
    that is not."""
    max_bytes, is_plain = reading.max_bytes, reading.packing.is_plain
    tape.rewind(start, reading.packing.lead)
    held: Record | None = None
    try:
        for found in ArchiveIterator(cast(BinaryIO, tape), parse_http=False):
            offset = found.stream_pos
            if held:
                yield held
            held = None
            tape.keep_from(offset)
            length = found.content_length
            if not 0 < length <= _TRUSTED_BYTES or (is_plain and _is_double(tape, offset)):
                return offset
            kind = _TYPES.get(int(found.record_type), "unknown")
            body = found.reader.read(max_bytes + 1) if kind in WITH_BODY else b""
            if kind in WITH_BODY and len(body) < min(length, max_bytes + 1):
                return offset
            held = Record(kind=kind, headers=found.headers, offset=offset, body=body)
            start = offset
    except OSError:
        if tape.has_failed:
            raise
        return start
    # The last one may be cut, or have swallowed the rest; and what follows may be no record.
    return start


def _is_double(tape: Tape, offset: int) -> bool:
    """Whether a header was cut in its middle, and what fastwarc read is that and the next one."""
    head = tape.peek(offset, _GLANCE_BYTES)
    end = head.find(b"\r\n\r\n")
    return SECOND_START.search(head, 1, end if end >= 0 else len(head)) is not None
