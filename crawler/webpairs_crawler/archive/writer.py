"""What was read from the web, kept as WARC 1.1, so that it can be extracted again without asking.

The body is kept as it was understood: unpacked. The headers that told how it was packed get an
`X-Crawler-` before their name, as in Common Crawl's files, and Content-Length is true: a reader
that believes the headers is then never wrong.
Sources: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/ (WARC),
https://specs.webrecorder.net/cdxj/0.1.0/ (CDXJ).
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from fastwarc.stream_io import GzipWriter
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from webpairs_core import __version__
from webpairs_crawler.archive.record import OPTOUT_FIELD
from webpairs_crawler.archive.surt import surt

_GZIP_LEVEL = 6
_PACKING = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_FORMAT = "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer."""

    url: str
    """Canonical."""
    fetched_at: datetime
    """UTC."""
    status: int
    reason: str = ""
    """The words after the status code."""
    headers: tuple[tuple[str, str], ...] = ()
    """Of the answer, as they came, in their order."""
    body: bytes = b""
    """Without transfer and content encoding."""
    agent: str = ""
    """The User-Agent that was sent."""
    signals: tuple[str, ...] = ()
    """Opt-out signals of the site, which the answer itself does not hold."""


class WarcWriter:
    """Appends exchanges to one .warc.gz, a gzip member for each record.

    What `write` has returned from survives the death of the process; surviving a power cut is
    for whoever commits the file (`webpairs_core.ledger` syncs it).
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    @property
    def length(self) -> int:
        """The bytes of the file."""
        return self._file.tell()

    def write(self, exchange: Exchange) -> int:
        """Append a request and a response record; return the length of the file after them."""
        members = io.BytesIO()
        if not self.length:
            _write_record(members, _warcinfo(self._name, exchange))
        response, payload_sha1 = _response(exchange)
        request = _request(exchange)
        request.headers["WARC-Concurrent-To"] = str(response.record_id)
        _write_record(members, request, hashlib.sha1(b"", usedforsecurity=False).digest())
        _write_record(members, response, payload_sha1)
        # At once: a kill leaves the whole set or a tail that `truncate` cuts off.
        self._file.write(members.getvalue())
        self._file.flush()
        return self.length

    def truncate(self, length: int) -> None:
        """Forget what was written after `length`, which is 0 or what a `write` returned."""
        self._file.truncate(length)
        self._file.seek(length)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_cdx(warc: Path, cdx: Path) -> int:
    """Write the CDXJ index of a .warc.gz: a line for each response, sorted; return their number.

    A line is SURT key, time (14 digits) and JSON with url, mime, status, digest, length, offset
    (bytes of the record's gzip member) and filename.
    """
    lines = sorted(_cdx_lines(warc))
    cdx.write_bytes("".join(lines).encode())
    return len(lines)


def _cdx_lines(warc: Path) -> Iterator[str]:
    members = [(record.stream_pos, _cdx_facts(record)) for record in _records(warc)]
    ends = [offset for offset, _ in members[1:]] + [warc.stat().st_size]
    for (offset, facts), end in zip(members, ends, strict=True):
        if facts:
            url, time = facts.pop("url"), facts.pop("time")
            place = {"length": str(end - offset), "offset": str(offset), "filename": warc.name}
            line = msgspec.json.encode({"url": url, **facts, **place}).decode()
            yield f"{surt(url)} {time} {line}\n"


def _records(warc: Path) -> Iterable[WarcRecord]:
    with warc.open("rb") as file:
        yield from ArchiveIterator(file, fsspec_args=False)


def _cdx_facts(record: WarcRecord) -> dict[str, str]:
    if record.record_type != WarcRecordType.response:
        return {}
    kind = record.http_content_type or ""
    digits = "".join(c for c in record.headers["WARC-Date"] if c.isdigit())
    return {
        "url": record.headers["WARC-Target-URI"],
        "time": digits[:14],
        "mime": kind or "unk",
        "status": str(record.http_headers.status_code),
        "digest": record.headers["WARC-Payload-Digest"],
    }


def _write_record(
    stream: io.BytesIO, record: WarcRecord, payload_sha1: bytes | None = None
) -> None:
    member = GzipWriter(stream, _GZIP_LEVEL, fsspec_args=False)
    record.write(member, checksum_data=True, payload_digest=payload_sha1)
    member.finish()


def _warcinfo(name: str, exchange: Exchange) -> WarcRecord:
    fields = {
        "software": f"webpairs/{__version__}",
        "format": "WARC File Format 1.1",
        "conformsTo": _FORMAT,
        "http-header-user-agent": exchange.agent,
        "robots": "RFC 9309",
    }
    record = _record(WarcRecordType.warcinfo, exchange.fetched_at, "application/warc-fields")
    record.headers["WARC-Filename"] = name
    record.set_bytes_content(_header_lines(fields.items()))
    return record


def _request(exchange: Exchange) -> WarcRecord:
    _, _, authority, target = exchange.url.split("/", 3)
    block = _header_lines([("Host", authority), ("User-Agent", exchange.agent)])
    record = _record(WarcRecordType.request, exchange.fetched_at, _http("request"))
    record.headers["WARC-Target-URI"] = exchange.url
    record.set_bytes_content(f"GET /{target} HTTP/1.1\r\n".encode() + block + b"\r\n")
    return record


def _response(exchange: Exchange) -> tuple[WarcRecord, bytes]:
    """The record, and the SHA-1 of its payload."""
    record = _record(WarcRecordType.response, exchange.fetched_at, _http("response"))
    record.headers["WARC-Target-URI"] = exchange.url
    if exchange.signals:
        record.headers[OPTOUT_FIELD] = " ".join(exchange.signals)
    status = f"HTTP/1.1 {exchange.status} {_one_line(exchange.reason)}\r\n"
    headers = [*_renamed(exchange.headers), ("Content-Length", str(len(exchange.body)))]
    head = _bytes(status) + _header_lines(headers) + b"\r\n"
    record.set_bytes_content(head + exchange.body)
    return record, hashlib.sha1(exchange.body, usedforsecurity=False).digest()


def _record(kind: WarcRecordType, at: datetime, content_type: str) -> WarcRecord:
    record = WarcRecord()
    record.init_headers(kind)
    record.headers["WARC-Date"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    record.headers["Content-Type"] = content_type
    return record


def _http(kind: str) -> str:
    return f"application/http; msgtype={kind}"


def _renamed(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        yield (f"X-Crawler-{name}" if name.lower() in _PACKING else name), value


def _header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(_bytes(f"{_one_line(k)}: {_one_line(v)}\r\n") for k, v in headers)


def _one_line(text: str) -> str:
    """Without line breaks: a value must not start a header of its own."""
    return " ".join(text.split("\r\n")).replace("\r", " ").replace("\n", " ").replace("\0", " ")


def _bytes(text: str) -> bytes:
    """A header as it came: Latin-1 is how HTTP clients give bytes as text."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
