"""The records of a WARC file, one after the other."""

from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from fastwarc.warc import ArchiveIterator

from webpairs_core.errors import PartCorrupt

TYPES = {
    2: "warcinfo",
    4: "response",
    8: "resource",
    16: "request",
    32: "metadata",
    64: "revisit",
    128: "conversion",
    256: "continuation",
    512: "unknown",
}
_BODIES = frozenset(["response", "resource", "metadata"])


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record of an archive."""

    kind: str
    """Its WARC-Type; empty when a damaged record does not say."""
    url: str = ""
    date: str = ""
    content_type: str = ""
    offset: int = 0
    """The byte of the file that it starts at."""
    body: bytes = b""
    """Its block, for the types that can hold a page, at most `max_bytes` + 1."""
    damage: str = ""
    """An `ArchiveOutcome`; empty for a good record."""


def read_records(stream: BinaryIO, name: str, max_bytes: int) -> Iterator[Record]:
    """The records of an archive, good and damaged. Raises PartCorrupt as `read_archive`."""
    try:
        for found in ArchiveIterator(stream, parse_http=False):
            kind = TYPES.get(int(found.record_type), "unknown")
            headers = found.headers
            yield Record(
                kind=kind,
                url=headers.get("WARC-Target-URI") or "",
                date=headers.get("WARC-Date") or "",
                content_type=headers.get("Content-Type") or "",
                offset=found.stream_pos,
                body=found.reader.read(max_bytes + 1) if kind in _BODIES else b"",
            )
    except OSError as error:
        raise PartCorrupt(f"{name} is no WARC, ARC or WAT file ({error})") from error
