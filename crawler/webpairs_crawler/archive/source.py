"""What the readers of archives share: where an archive comes from, what can become of a page."""

from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from webpairs_core.records import TextSource

_EPOCH = datetime.fromtimestamp(0, UTC)


class ArchiveSource(msgspec.Struct, frozen=True, kw_only=True):
    """An archive, and what to take from it."""

    name: str
    """What `found_in` calls it: pairs say `NAME@OFFSET`, the byte their record starts at."""
    texts: tuple[TextSource, ...] = (TextSource.ALT,)
    agent: str = ""
    """Our User-Agent: opt-out signals may name it."""
    max_page_bytes: int = 8_388_608
    """Of one page, decompressed; larger ones are `too_large`."""


class ArchiveOutcome(StrEnum):
    """What became of a page of an archive: the closed list of the archive funnel."""

    OK = "ok"
    BAD_URL = "bad_url"
    REDIRECT = "redirect"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    PROTOCOL = "protocol"
    """No HTTP answer, or a status that no page comes with."""
    NOT_HTML = "not_html"
    REVISIT = "revisit"
    """The record says only that the page was the same as another time."""
    TOO_LARGE = "too_large"
    BAD_CHUNKS = "bad_chunks"
    BAD_CODING = "bad_coding"
    """The Content-Encoding cannot be undone."""
    BAD_JSON = "bad_json"
    """A WAT record that is no JSON, or not of the WAT layout."""
    BAD_COMPRESSION = "bad_compression"
    """The archive's own gzip or zstd is damaged here."""
    BAD_HEADER = "bad_header"
    """No record header where one must stand, or one without a usable length."""
    BAD_LENGTH = "bad_length"
    """The record is longer or shorter than its Content-Length."""
    TRUNCATED = "truncated"
    """The file ends within the record."""


def parse_date(text: str) -> datetime:
    """A WARC-Date (W3C profile of ISO 8601) in UTC; 1970 when it cannot be read."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _EPOCH
