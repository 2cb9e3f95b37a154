"""The HTTP answer in a record: status line, headers and body, decoded under a cap.

Archives hold what servers really sent, and what crawlers made of it: headers that say chunked or
gzip over a body that is neither are common (Common Crawl undoes both and keeps the headers of some
crawls). So the body is believed before its headers, and what can be read of a broken body is kept.
"""

import contextlib
import re
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

import msgspec
from fastwarc.stream_io import BrotliReader, WarcReader, ZstdReader

from webpairs_crawler.archive.source import ArchiveOutcome
from webpairs_crawler.web.http import looks_like_html

Headers = tuple[tuple[str, str], ...]

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?:[ \t\r]|\Z)", re.IGNORECASE)
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\n]{0,1000})?\r?\n")
_MAX_HEADER_BYTES = 65_536
_MAX_CODINGS = 3
_BITE = 1024


class HttpAnswer(msgspec.Struct, frozen=True):
    """An HTTP answer as archived."""

    status: int
    """0 when there is no status line."""
    headers: Headers = ()
    body: bytes = b""
    """As sent: `decoded` undoes its encodings."""

    def header(self, name: str) -> str:
        """The first header of this name (lower case); empty when there is none."""
        return next((v for k, v in self.headers if k.lower() == name), "")


class BodyFault(Exception):
    """The body of an answer cannot be had; says which outcome that is."""

    def __init__(self, outcome: ArchiveOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def parse_answer(block: bytes) -> HttpAnswer:
    """Split a record's block into status, headers and body."""
    found = _STATUS.match(block)
    if not found:
        return HttpAnswer(0, (), block)
    end = _END_OF_HEADERS.search(block, 0, _MAX_HEADER_BYTES)
    head = block[: end.start()] if end else block[:_MAX_HEADER_BYTES]
    lines = head.decode("latin-1").split("\n")[1:]
    return HttpAnswer(
        int(found.group(1)), tuple(_fields(lines)), block[end.end() :] if end else b""
    )


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in " \t" and fields:  # a folded line goes on (RFC 9112, 5.2)
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon:
            fields.append((name.strip(), value.strip()))
    return fields


def decoded(answer: HttpAnswer, max_bytes: int) -> bytes:
    """The body without its transfer and content encodings. Raises BodyFault."""
    body = answer.body
    if "chunked" in answer.header("transfer-encoding").lower():
        body = _dechunked(body)
    codings = [c.strip().lower() for c in answer.header("content-encoding").split(",")]
    for coding in reversed(codings[:_MAX_CODINGS]):
        body = _uncoded(body, coding, max_bytes)
    if len(body) > max_bytes:
        raise BodyFault(ArchiveOutcome.TOO_LARGE)
    return body


def _dechunked(body: bytes) -> bytes:
    """The chunks joined, up to the first broken one; a body that is not chunked stays as it is."""
    parts: list[bytes] = []
    at = 0
    while at < len(body):
        line = _CHUNK.match(body, at)
        if line is None:
            break
        size = int(line.group(1), 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[line.end() : line.end() + size])
        at = line.end() + size
        at += 2 if body.startswith(b"\r\n", at) else body.startswith(b"\n", at)
    if parts:
        return b"".join(parts)
    if body.lstrip()[:1] not in (b"<", b"\x1f", b"\xef") and body:
        raise BodyFault(ArchiveOutcome.BAD_CHUNKS)
    return body


def _uncoded(body: bytes, coding: str, max_bytes: int) -> bytes:
    """Undo one content coding; what can be read before its data breaks is kept, as browsers do."""
    pieces: list[Callable[[], Iterator[bytes]]] = []
    if coding in ("gzip", "x-gzip") and body.startswith(b"\x1f\x8b"):
        pieces = [lambda: _inflated(body, zlib.MAX_WBITS | 16)]
    elif coding == "zstd" and body.startswith(b"\x28\xb5\x2f\xfd"):
        pieces = [lambda: _read(ZstdReader(BytesIO(body)))]
    elif coding == "br" and not looks_like_html(body):
        pieces = [lambda: _read(BrotliReader(BytesIO(body)))]
    elif coding == "deflate" and not looks_like_html(body):
        # With its zlib header, or without, as some servers send it.
        pieces = [lambda: _inflated(body, zlib.MAX_WBITS), lambda: _inflated(body, -zlib.MAX_WBITS)]
    if not pieces or not body:
        return body
    for start in pieces:
        data = _joined(start(), max_bytes)
        if data:
            return data
    raise BodyFault(ArchiveOutcome.BAD_CODING)


def _joined(pieces: Iterator[bytes], max_bytes: int) -> bytes:
    data = bytearray()
    with contextlib.suppress(zlib.error, OSError):
        for piece in pieces:
            data += piece
            if len(data) > max_bytes:
                raise BodyFault(ArchiveOutcome.TOO_LARGE)
    return bytes(data)


def _inflated(body: bytes, wbits: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits)
    for start in range(0, len(body), _BITE):  # small bites: a broken one is lost as a whole
        waiting = body[start : start + _BITE]
        while waiting and not inflater.eof:
            yield inflater.decompress(waiting, 64 * _BITE)
            waiting = inflater.unconsumed_tail


def _read(reader: WarcReader) -> Iterator[bytes]:
    while piece := reader.read(64 * _BITE):
        yield piece
