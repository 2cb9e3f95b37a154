"""Captures of WARC and ARC archives: what becomes of each, and where it was found."""

import gzip
import zlib
from io import BytesIO
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import pytest
from backports import zstd

from archive_samples import HTML, gzipped, page, pages, plain, read, record, texts_of, zstandard
from webpairs_core.records import TextSource
from webpairs_core.schema import PAGES, PAIRS
from webpairs_crawler.archive.read import ArchiveOutcome, ArchiveSource, read_archive
from webpairs_crawler.page.extract import PageSource, read_page

BODY = page(7).partition(b"\r\n\r\n")[2]


def answer(status: str = "200 OK", body: bytes = BODY, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/html", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def outcomes(*bodies: bytes, max_page_bytes: int = 8_388_608) -> dict[str, int]:
    return read(b"".join(map(record, bodies)), max_page_bytes=max_page_bytes).outcomes


def test_a_page_is_read_as_a_live_one() -> None:
    html = b'<html lang=de><base href="/b/"><title>T</title><img src=x.jpg alt="Ein  Bild" width=9>'
    block = answer("200 OK", html, "X-Robots-Tag: noai", "X-Robots-Tag: googlebot: noindex")
    batch = read(record(b"", kind="warcinfo") + record(block, "HTTP://a.Example/p?q#f"))
    [row] = batch.pairs.to_pylist()
    live = PageSource(url="http://a.example/p?q", headers=(("X-Robots-Tag", "noai"),))
    [pair] = read_page(html, live).pairs
    for name in ("key", "url", "src_url", "text", "page_url", "page_lang", "context", "position"):
        assert row[name] == getattr(pair, name)
    assert row["optout"] == ["x-robots-tag:noai@page"]
    assert row["fetched_at"].isoformat() == "2024-05-18T01:58:10+00:00"
    [entry] = batch.pages.to_pylist()
    assert (entry["url"], entry["outcome"], entry["http_status"]) == (live.url, "ok", 200)
    assert (entry["n_images"], entry["n_pairs"]) == (1, 1)
    assert batch.pages.schema.equals(PAGES, check_metadata=True)
    assert batch.pairs.schema.equals(PAIRS, check_metadata=True)
    assert (batch.outcomes, batch.others) == ({"ok": 1}, {"warcinfo": 1})


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200 OK", "ok"),
        ("203", "ok"),
        ("301 Moved", "redirect"),
        ("304 Not Modified", "redirect"),
        ("404 Not Found", "http_4xx"),
        ("503 Down", "http_5xx"),
        ("101 Other", "protocol"),
        ("999 No", "protocol"),
        ("nonsense", "protocol"),
    ],
)
def test_statuses(status: str, outcome: str) -> None:
    assert outcomes(answer(status)) == {outcome: 1}


def test_types() -> None:
    image = b"HTTP/1.1 200 OK\r\ncontent-TYPE: image/png\r\n\r\n\x89PNG"
    xhtml = b"HTTP/1.1 200 OK\nContent-Type: application/xhtml+xml; charset=utf-8\n\n" + BODY
    untyped = b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n"
    assert outcomes(image) == {"not_html": 1}
    assert outcomes(xhtml, untyped + b"\n " + BODY) == {"ok": 2}
    assert outcomes(untyped + b"%PDF") == {"not_html": 1}
    assert outcomes(b"", b"no HTTP") == {"protocol": 2}


def test_record_types() -> None:
    kinds = ["warcinfo", "request", "metadata", "conversion", "continuation", "strange", "revisit"]
    data = b"".join(record(HTML + BODY, kind=kind) for kind in kinds)
    data += record(BODY, kind="resource", content_type="text/html")
    data += record(BODY, kind="resource", content_type="text/plain")
    data += record(b"a.example 1.2.3.4", "dns:a.example", content_type="text/dns")
    data += record(HTML + BODY, "http://a b.example/") + record(HTML + BODY, "<http://w.example/>")
    batch = read(data)
    assert batch.outcomes == {"bad_url": 1, "not_html": 1, "ok": 2, "revisit": 1}
    assert batch.others == {
        "continuation": 1,
        "conversion": 1,
        "metadata": 1,
        "not_web": 1,
        "request": 1,
        "unknown": 1,
        "warcinfo": 1,
    }
    assert batch.pages.num_rows == sum(batch.outcomes.values())


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize(
    "body",
    [
        chunked(BODY[:100], BODY[100:]) + b"0\r\n\r\n",
        chunked(BODY),  # without an end
        chunked(BODY) + b"zz\r\nlost",
        chunked(BODY[:-5]) + b"fffff\r\n" + BODY[-5:],  # a chunk cut by the end
        BODY,  # undone by the crawler, which kept the header
        chunked(BODY).replace(b"\r\n", b"\n"),
    ],
)
def test_chunks_true_and_false(body: bytes) -> None:
    batch = read(record(answer("200 OK", body, "Transfer-Encoding: chunked")))
    assert texts_of(batch) == ["picture number 7"]


def test_chunks_that_hold_nothing() -> None:
    assert outcomes(answer("200 OK", b"?? not a size", "Transfer-Encoding: chunked")) == {
        "bad_chunks": 1
    }


RAW = zlib.compressobj(6, zlib.DEFLATED, -15)
CODINGS = {
    "gzip": gzip.compress(BODY),
    "x-gzip": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "Deflate": RAW.compress(BODY) + RAW.flush(),
    "br": brotli.compress(BODY),
    "zstd": zstd.compress(BODY),
    "gzip, br": brotli.compress(gzip.compress(BODY)),
    "identity": BODY,
    "unheard-of": BODY,
}


@pytest.mark.parametrize("coding", CODINGS)
def test_content_codings(coding: str) -> None:
    block = answer("200 OK", CODINGS[coding], f"Content-Encoding: {coding}")
    undone = answer("200 OK", BODY, f"Content-Encoding: {coding}")
    both = answer(
        "200 OK",
        chunked(CODINGS[coding]),
        f"content-encoding: {coding}",
        "transfer-encoding: chunked",
    )
    for one in (block, undone, both):
        assert texts_of(read(record(one))) == ["picture number 7"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_broken_and_bombs(coding: str) -> None:
    header = f"Content-Encoding: {coding}"
    long = page(1, 30_000).partition(b"\r\n\r\n")[2]
    packed = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstd.compress,
    }[coding]
    data = packed(long)
    cut = read(record(answer("200 OK", data[: len(data) // 2], header)))
    if coding != "zstd":  # its blocks are longer than this page
        assert texts_of(cut) == ["picture number 1"]
    start = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}.get(coding, b"")
    assert outcomes(answer("200 OK", start + b"\xff" * 99, header)) == {"bad_coding": 1}
    bomb = packed(bytes(20_000_000))
    assert outcomes(answer("200 OK", bomb, header)) == {"too_large": 1}


def test_large_pages() -> None:
    block = answer()
    assert outcomes(block, max_page_bytes=len(block)) == {"ok": 1}
    assert outcomes(block, max_page_bytes=len(block) - 1) == {"too_large": 1}
    big_image = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + bytes(5_000)
    assert outcomes(big_image, max_page_bytes=4_000) == {"not_html": 1}


@pytest.mark.parametrize("pack", [plain, gzipped, zstandard])
def test_found_in_is_where_the_record_starts(pack: object) -> None:
    assert callable(pack)
    parts = pack(pages(5))
    found = read(b"".join(parts)).pairs["found_in"].to_pylist()
    at = [sum(map(len, parts[:i])) for i in range(5)]
    assert found == [f"x.warc@{offset}" for offset in at]


def test_batches_hold_all_in_order() -> None:
    n = 2_500
    small = [record(page(i, 1), f"http://a.example/{i}") for i in range(n)]
    batches = list(read_archive(BytesIO(b"".join(small)), ArchiveSource(name="x")))
    assert len(batches) > 1
    urls = [url for batch in batches for url in batch.pages["url"].to_pylist()]
    assert urls == [f"http://a.example/{i}" for i in range(n)]
    assert sum(batch.outcomes["ok"] for batch in batches) == n
    assert [text for batch in batches for text in texts_of(batch)] == [
        f"picture number {i}" for i in range(n)
    ]


def test_texts_that_the_recipe_asks_for() -> None:
    html = b"<figure><img src=/a.jpg alt=one title=two><figcaption>three</figcaption></figure>"
    data = record(answer("200 OK", html))
    assert texts_of(read(data, (TextSource.TITLE, TextSource.FIGCAPTION))) == ["two", "three"]


def test_arc() -> None:
    line = "filedesc://x.arc 0.0.0.0 20140216050221 text/plain 21"
    arc = f"{line}\n1 0 x\nURL IP-address\n\n".encode()
    for url in ("http://a.example/0", "http://a.example/with blank"):
        body = page(0)
        arc += f"{url} 1.2.3.4 20140216050221 text/html {len(body)}\n".encode() + body + b"\n"
    batch = read(arc)
    assert batch.outcomes == {"ok": 2}
    assert batch.others == {"warcinfo": 1}
    assert batch.pages["url"].to_pylist()[1] == "http://a.example/with%20blank"
    assert batch.pairs["fetched_at"].to_pylist()[0].isoformat() == "2014-02-16T05:02:21+00:00"


REAL = {
    "chatnoir-resiliparse/clipped.warc.gz": {"truncated": 1},
    "chatnoir-resiliparse/clueweb-quirk.warc.gz": {"ok": 29},
    "chatnoir-resiliparse/warcfile.warc.gz": {"ok": 16},
    "dolma/sample-0000.warc.gz": {"ok": 22},
    "ipwb/HTTP404.warc": {"http_4xx": 1},
    "ipwb/baconIpsum_chunked.warc": {"ok": 1},
    "ipwb/broken.warc": {"bad_length": 1, "ok": 1},
    "ipwb/froggie.warc.gz": {"not_html": 2, "ok": 1},
    "ipwb/redirect.warc": {"truncated": 1},  # shorter than its Content-Length says
    "ipwb/salam-home.warc": {"ok": 1},
    "ipwb/sample-1.warc.gz": {"not_html": 1, "ok": 63, "redirect": 1, "revisit": 10},
    "ipwb/variableSizedDates.warc": {"ok": 4},
    "node-warc/books.toscrape.warc": {"not_html": 29, "ok": 1},
    "node-warc/parseMe.warc.gz": {"http_4xx": 1, "not_html": 6, "ok": 1, "redirect": 5},
    "warcio/bad.arc": {"bad_header": 1, "protocol": 1},
    "warcio/example-bad-non-chunked.warc.gz": {"ok": 1, "revisit": 1},
    "warcio/example-iana.org-chunked.warc": {"ok": 1},
    "warcio/example-resource.warc.gz": {"ok": 1},
    "warcio/example-trunc.warc": {"bad_length": 1},
    "warcio/example-wget-bad-target-uri.warc.gz": {"ok": 1},
    "warcio/example-wrong-chunks.warc.gz": {"ok": 1},
    "warcio/example.arc": {"ok": 1},
    "warcio/example.arc.gz": {"ok": 1},
    "warcio/example.warc": {"ok": 1, "revisit": 1},
    "warcio/example.warc.gz": {"ok": 1, "revisit": 1},
    "warcio/post-test.warc.gz": {"not_html": 3},
    "whirlwind-python/whirlwind.warc": {"ok": 1},
    "whirlwind-python/whirlwind.warc.gz": {"ok": 1},
    "whirlwind-python/whirlwind.warc.wat.gz": {},
    "whirlwind-python/whirlwind.warc.wet.gz": {},
}


@pytest.mark.parametrize("name", REAL)
def test_real_archives(name: str, data_dir: Path) -> None:
    batch = read((data_dir / "warc" / name).read_bytes())
    assert batch.outcomes == REAL[name]
    assert batch.pages.num_rows <= sum(batch.outcomes.values())
    assert {ArchiveOutcome(outcome) for outcome in batch.outcomes} <= set(ArchiveOutcome)
