"""One record of an archive."""

import re
from collections.abc import Callable
from typing import Protocol

import msgspec

from webpairs_crawler.archive.source import ArchiveOutcome

WITH_BODY = frozenset(["response", "resource", "metadata"])
"""The types whose body is read: all that can hold a page, or say what one holds."""
OPTOUT_FIELD = "Webpairs-Optout"
"""The WARC field in which our own crawl keeps what robots.txt and the site's other files said:
signals with blanks between them. From strangers it is believed too: it can only take away."""

_FIRST_LINE = re.compile(rb"\s*+WARC/[0-9]\.[0-9]+[ \t]*\r?\n")
SECOND_START = re.compile(rb"WARC/[0-9]\.[0-9]+[ \t]*\r?\n")
"""Within a header: the next one has begun before this one was over."""
_ARC_LINE = re.compile(
    rb"\s*+([a-z]+:[^\n]*?) \S+ ([0-9]{12,17}) ([^ \n]*)(?: [^\n]*)? (-?\w+)[ \r]*\n"
)
_END = re.compile(rb"\n\r?\n")


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
    offset: int
    """The byte of the file that it starts at."""
    body: bytes = b""
    """Its block, for the types of `WITH_BODY`: at most as many bytes as the reader was asked for,
    and one more when there are more."""
    damage: ArchiveOutcome | None = None
    """None for a good record."""

    @property
    def url(self) -> str:
        """The WARC-Target-URI as written; empty when there is none."""
        return self.headers.get("WARC-Target-URI") or ""

    @property
    def date(self) -> str:
        """The WARC-Date as written; empty when there is none."""
        return self.headers.get("WARC-Date") or ""

    @property
    def signals(self) -> tuple[str, ...]:
        """The opt-out signals of the site, as a crawl of ours noted them."""
        return tuple((self.headers.get(OPTOUT_FIELD) or "").split())

    @property
    def content_type(self) -> str:
        """The Content-Type of the block; empty when there is none."""
        return self.headers.get("Content-Type") or ""


class Fields(msgspec.Struct, frozen=True):
    """Headers that we read ourselves."""

    by_name: dict[str, str] = {}
    """Names in lower case."""

    def get(self, name: str) -> str | None:
        """As `Headers.get`."""
        return self.by_name.get(name.lower())


class Header(msgspec.Struct, frozen=True):
    """The header of a record, and where its body starts."""

    fields: Fields
    n_bytes: int
    """Its own length, the empty line included."""
    length: int | None
    """What it says of its body's length; None when that is no number."""

    @property
    def kind(self) -> str:
        """The WARC-Type; empty when it has none."""
        return (self.fields.get("WARC-Type") or "").strip().lower()


class Format(msgspec.Struct, frozen=True):
    """A format of records."""

    parse: Callable[[bytes], Header | None]
    """The header at the start of some bytes; None when there is none."""
    follows: re.Pattern[bytes]
    """What must come behind a record for its length to be believed."""


def _warc_header(data: bytes) -> Header | None:
    """A WARC header with CRLF or LF (WARC 1.1, section 4; some tools write LF alone)."""
    first = _FIRST_LINE.match(data)
    end = _END.search(data, first.end() - 1) if first else None
    if first is None or end is None or SECOND_START.search(data, first.end(), end.end()):
        return None
    fields: dict[str, str] = {}
    for line in data[first.end() : end.start()].decode("utf-8", "replace").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return Header(Fields(fields), end.end(), _length(fields.get("content-length", "")))


def _arc_header(data: bytes) -> Header | None:
    """The line before a record of an ARC file (archive.org, ArcFileFormat, 1996), as the headers
    that WARC would give it: URL, address, date, type, in version 2 more, and last the length."""
    line = _ARC_LINE.match(data)
    if line is None:
        return None
    url, date, kind, length = (group.decode("utf-8", "replace") for group in line.groups())
    d = date[:14].ljust(14, "0")
    fields = {
        "warc-type": "warcinfo" if url.startswith("filedesc:") else "response",
        "warc-target-uri": url,
        "warc-date": f"{d[:4]}-{d[4:6]}-{d[6:8]}T{d[8:10]}:{d[10:12]}:{d[12:]}Z",
        "content-type": kind,
    }
    return Header(Fields(fields), line.end(), _length(length))


def _length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


WARC = Format(_warc_header, re.compile(rb"\s*+(?:WARC/|\Z)"))
ARC = Format(_arc_header, re.compile(rb"\s*+(?:[a-z]+:|\Z)"))
"""The format before WARC. Its captures read as WARC responses: their bodies are HTTP answers."""
