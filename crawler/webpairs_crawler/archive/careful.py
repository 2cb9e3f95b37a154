"""Read one record with care: whether it is whole, and where the next one can start.

Compressed archives are easy to check: a record is as long as what its member holds. In a plain one
only the Content-Length says where a record ends; it is believed when a record, or the end of the
file, follows there.
"""

import msgspec

from webpairs_crawler.archive.members import HEADER_BYTES, START_IN_TEXT, Packing, Unpacked
from webpairs_crawler.archive.record import WITH_BODY, Fields, Format, Header, Record
from webpairs_crawler.archive.source import ArchiveOutcome
from webpairs_crawler.archive.tape import Tape

_BITE = 262_144
_BETWEEN = 4
"""Bytes between two records: two line ends."""


class Reading(msgspec.Struct, frozen=True):
    """How the records of an archive are read."""

    packing: Packing
    format: Format
    max_bytes: int
    """Bodies are cut one byte behind it."""


def read_carefully(tape: Tape, reading: Reading, offset: int) -> tuple[Record, int]:
    """The record at an offset, and the offset behind it; for a damaged one, where to look for the
    next."""
    if reading.packing.is_plain:
        return _plain_record(tape, reading, offset)
    unpacked = reading.packing.unpack(tape, offset, reading.max_bytes + HEADER_BYTES)
    if unpacked is None:
        bad = ArchiveOutcome.BAD_COMPRESSION
        return Record(kind="", headers=Fields(), offset=offset, damage=bad), offset + 1
    header = reading.format.parse(unpacked.data)
    damage = unpacked.damage or _packed_fault(header, unpacked)
    return _record(header, (offset, damage), unpacked.data, reading.max_bytes), unpacked.end


def _packed_fault(header: Header | None, unpacked: Unpacked) -> ArchiveOutcome | None:
    if header is None or header.length is None:
        return ArchiveOutcome.BAD_HEADER
    end = header.n_bytes + header.length
    if unpacked.n_bytes < end:
        return ArchiveOutcome.BAD_LENGTH
    is_more = unpacked.n_bytes > end + _BETWEEN
    return ArchiveOutcome.BAD_LENGTH if is_more and unpacked.data[end:].strip() else None


def _plain_record(tape: Tape, reading: Reading, offset: int) -> tuple[Record, int]:
    data = tape.peek(offset, HEADER_BYTES)
    header = reading.format.parse(data)
    if header is None or header.length is None:
        is_cut = header is None and len(data) < HEADER_BYTES and data.startswith(b"WARC/")
        damage = ArchiveOutcome.TRUNCATED if is_cut else ArchiveOutcome.BAD_HEADER
        return _record(header, (offset, damage), b"", 0), offset + 1
    end = header.n_bytes + header.length
    looked_at = min(end, reading.max_bytes + HEADER_BYTES)
    data = tape.peek(offset, looked_at)
    behind = _behind(tape, offset + len(data), offset + end)
    fault, after = _plain_fault(reading.format, data, header, behind)
    after += offset
    if fault and end > looked_at:  # much was passed over: look from what is remembered
        after = max(offset + 1, min(after, tape.first_held()))
    return _record(header, (offset, fault), data, reading.max_bytes), after


def _plain_fault(
    form: Format, data: bytes, header: Header, behind: bytes | None
) -> tuple[ArchiveOutcome | None, int]:
    """What is wrong with a plain record, and where to read on, counted from its start. `behind` is
    None when the file ends within the record."""
    end = header.n_bytes + (header.length or 0)
    if behind is not None and form.follows.match(behind):
        return None, end + len(behind) - len(behind.lstrip())
    # With what follows: the start of the next record may stand astride the end of this one.
    swallowed = START_IN_TEXT.search(data + (behind or b""), header.n_bytes)
    if swallowed and swallowed.start() < end:
        return ArchiveOutcome.BAD_LENGTH, swallowed.start()
    if behind is None:
        return ArchiveOutcome.TRUNCATED, end
    if behind.startswith((b"\r\n\r\n", b"\n\n")):
        return None, end  # whole, with garbage behind it
    return ArchiveOutcome.BAD_LENGTH, end


def _behind(tape: Tape, offset: int, end: int) -> bytes | None:
    """What follows a record that was read up to `offset`; None when the file ends within it."""
    while offset < end:
        n_bytes = len(tape.peek(offset, min(end - offset, _BITE)))
        if not n_bytes:
            return None
        offset += n_bytes
    return tape.peek(end, 64)


def _record(
    header: Header | None,
    place: tuple[int, ArchiveOutcome | None],
    data: bytes,
    max_bytes: int,
) -> Record:
    offset, damage = place
    if header is None:
        return Record(kind="", headers=Fields(), offset=offset, damage=damage)
    end = header.n_bytes + min(header.length or 0, max_bytes + 1)
    has_body = header.kind in WITH_BODY and not damage
    body = data[header.n_bytes : end] if has_body else b""
    return Record(kind=header.kind, headers=header.fields, offset=offset, body=body, damage=damage)
