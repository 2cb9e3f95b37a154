"""Records of archives for tests, packed in every way that archives are."""

import gzip
from collections.abc import Callable, Iterable
from io import BytesIO

from backports import zstd

from webpairs_core.records import TextSource
from webpairs_crawler.archive.read import ArchiveBatch, ArchiveSource, read_archive

Pack = Callable[[Iterable[bytes]], list[bytes]]

HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


def page(number: int, n_words: int = 150) -> bytes:
    """An HTTP answer whose one pair names its number; of words that do not compress to nothing."""
    words = b" ".join(b"%x" % (number * 7919 + i * i * 31) for i in range(n_words))
    image = b"<img src=/%d.jpg alt='picture number %d'>" % (number, number)
    return HTML + b"<!doctype html><title>%d</title>" % number + image + b"<p>" + words


def record(
    body: bytes,
    url: str = "http://a.example/",
    kind: str = "response",
    length: int | None = None,
    content_type: str = "application/http; msgtype=response",
) -> bytes:
    """A WARC record; `length` is what its Content-Length says, if not the truth."""
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Target-URI: {url}",
        "WARC-Date: 2024-05-18T01:58:10Z",
        "WARC-Record-ID: <urn:uuid:0b4fe229-40c2-4492-b4ab-7a7776be6c73>",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body) if length is None else length}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body + b"\r\n\r\n"


def pages(n: int) -> list[bytes]:
    """Records of as many numbered pages."""
    return [record(page(i), f"http://a.example/{i}") for i in range(n)]


def plain(records: Iterable[bytes]) -> list[bytes]:
    """Records as they are."""
    return list(records)


def gzipped(records: Iterable[bytes]) -> list[bytes]:
    """A gzip member for each record."""
    return [gzip.compress(one, 6, mtime=0) for one in records]


def zstandard(records: Iterable[bytes]) -> list[bytes]:
    """A zstd frame for each record."""
    return [zstd.compress(one) for one in records]


def read(
    data: bytes,
    texts: tuple[TextSource, ...] = (TextSource.ALT,),
    max_page_bytes: int = 8_388_608,
) -> ArchiveBatch:
    """All of a small archive in one batch."""
    source = ArchiveSource(
        name="x.warc", texts=texts, agent="webpairs/1", max_page_bytes=max_page_bytes
    )
    [batch] = read_archive(BytesIO(data), source)
    return batch


def texts_of(batch: ArchiveBatch) -> list[str]:
    """The texts of its pairs, in order."""
    found: list[str] = batch.pairs["text"].to_pylist()
    return found
