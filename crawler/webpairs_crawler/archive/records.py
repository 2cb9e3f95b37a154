"""The records of a WARC file, one after the other."""

from collections.abc import Iterator
from typing import BinaryIO, Protocol

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


class Headers(Protocol):
    """The headers of a record."""

    def get(self, name: str) -> str | None:
        """The value of a header, whatever its case; None when there is none."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record of an archive."""

    kind: str
    """Its WARC-Type; empty when a damaged record does not say."""
    headers: Headers
    """Asked for when needed only: most records of a WAT file never are."""
    offset: int = 0
    """The byte of the file that it starts at."""
    body: bytes = b""
    """Its block, for the types that can hold a page, at most `max_bytes` + 1."""
    damage: str = ""
    """An `ArchiveOutcome`; empty for a good record."""

    @property
    def url(self) -> str:
        """The WARC-Target-URI as written; empty when there is none."""
        return self.headers.get("WARC-Target-URI") or ""

    @property
    def date(self) -> str:
        """The WARC-Date as written; empty when there is none."""
        return self.headers.get("WARC-Date") or ""

    @property
    def content_type(self) -> str:
        """The Content-Type of the block; empty when there is none."""
        return self.headers.get("Content-Type") or ""


def read_records(stream: BinaryIO, name: str, max_bytes: int) -> Iterator[Record]:
    """The records of an archive, good and damaged. Raises PartCorrupt as `read_archive`."""
    try:
        for found in ArchiveIterator(stream, parse_http=False):
            kind = TYPES.get(int(found.record_type), "unknown")
            yield Record(
                kind=kind,
                headers=found.headers,
                offset=found.stream_pos,
                body=found.reader.read(max_bytes + 1) if kind in _BODIES else b"",
            )
    except OSError as error:
        raise PartCorrupt(f"{name} is no WARC, ARC or WAT file ({error})") from error
