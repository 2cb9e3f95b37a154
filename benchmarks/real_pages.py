"""The real pages that the extraction benchmarks read: HTML responses of a folder of WARC files."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from fastwarc.warc import ArchiveIterator, WarcRecordType

SOURCES = (
    "wrapped-article-extraction-benchmark.warc.gz",
    "wrapped-trafilatura-cache.warc.gz",
    "ipwb/sample-1.warc.gz",
    "dolma/sample-0000.warc.gz",
    "chatnoir-resiliparse/warcfile.warc.gz",
)
MIN_BYTES = 200
"""Shorter answers are error pages and redirects."""


class RealPage(msgspec.Struct, frozen=True):
    """One page as it was archived."""

    url: str
    headers: tuple[tuple[str, str], ...]
    html: bytes
    source: str
    """The WARC file that holds it."""


def real_pages(folder: Path) -> Iterator[RealPage]:
    """The distinct HTML pages of the five sources, in order."""
    seen: set[bytes] = set()
    for name in SOURCES:
        with (folder / name).open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
                http = record.http_headers
                content_type = record.http_content_type or ""
                if http is None or http.status_code != 200 or "html" not in content_type:
                    continue
                html = record.reader.read()
                digest = hashlib.sha256(html).digest()
                if digest in seen or len(html) < MIN_BYTES:
                    continue
                seen.add(digest)
                url = record.headers.get("WARC-Target-URI") or ""
                yield RealPage(url, tuple(http.items()), html, name)
