"""What a live crawl keeps as WARC gives the same pairs when it is read again."""

import io
import json
import zlib
from pathlib import Path
from typing import Any

from fastwarc.warc import ArchiveIterator

from crawls import HTML, IMG, Crawl, html, links
from hostile_web import HostileWeb, answer, redirect
from webpairs_core.records import TextSource
from webpairs_crawler.archive.read import ArchiveSource, read_archive

BODY = "<meta charset=windows-1252><img src=a.png alt='caf\xe9 noir'><title>T\xfcr</title>"
ROUTES = {
    "/": links("/gz", "/latin", "/utf16", "/signals", "/old", "/gone", "/pdf", "/soft", "/xhtml"),
    "/gz": answer(zlib.compress(IMG.encode(), wbits=31), headers=(*HTML, "Content-Encoding: gzip")),
    "/latin": answer(BODY.encode("cp1252"), headers=("Content-Type: text/html",)),
    "/utf16": answer(
        "<img src=b.png alt='\u8d64\u3044\u30c9\u30a2'>".encode("utf-16"), headers=HTML
    ),
    "/signals": html(IMG, "X-Robots-Tag: noai", "X-Odd: caf\udce9"),
    "/old": redirect("/latin"),
    "/pdf": answer(b"%PDF", headers=("Content-Type: application/pdf",)),
    "/soft": answer(IMG.encode()),
    "/xhtml": answer(IMG.encode(), headers=("Content-Type: application/xhtml+xml",)),
}


def comparable(rows: list[dict[str, Any]]) -> list[list[tuple[str, str]]]:
    """Pairs without where and when they were found."""
    return sorted(
        [
            (k, str(v))
            for k, v in sorted(row.items())
            if k not in ("found_in", "fetched_at", "position")
        ]
        for row in rows
    )


def test_the_same_pairs_come_out_again(tmp_path: Path) -> None:
    texts = ("alt", "title")
    with HostileWeb(ROUTES) as web:
        crawl = Crawl(tmp_path, web.url("/"), warc_out=True, pages_per_part=4, texts=texts)
    entries = crawl.run.ledger.outputs("crawl", "warc/")
    warcs = [tmp_path / entry.path for entry in entries if entry.path.endswith(".gz")]
    assert [path.name for path in warcs] == [f"part-0000{i}.warc.gz" for i in range(3)]
    source = ArchiveSource(
        name="x", texts=tuple(map(TextSource, texts)), agent=crawl.run.recipe.crawl.agent
    )
    again = []
    for path in warcs:
        for batch in read_archive(io.BytesIO(path.read_bytes()), source):
            again += batch.pairs.to_pylist()
            assert set(batch.outcomes) <= {"ok", "redirect", "http_4xx", "not_html"}
    pairs = crawl.rows("pairs")
    assert len(pairs) == 7
    assert comparable(again) == comparable(pairs)
    assert {pair["text"] for pair in pairs} == {
        "a red door",
        "caf\xe9 noir",
        "\u8d64\u3044\u30c9\u30a2",
    }
    assert ["x-robots-tag:noai@page"] in [pair["optout"] for pair in pairs]


def test_the_index_finds_each_page(tmp_path: Path) -> None:
    with HostileWeb(ROUTES) as web:
        crawl = Crawl(tmp_path, web.url("/"), warc_out=True)
        asked = {web.url(path) for path in web.paths} - {web.url("/robots.txt")}
    warc = (tmp_path / "warc/part-00000.warc.gz").read_bytes()
    lines = (tmp_path / "warc/part-00000.cdx").read_text().splitlines()
    assert lines == sorted(lines)
    found = {}
    for line in lines:
        facts = json.loads(line.split(" ", 2)[2])
        assert facts["filename"] == "part-00000.warc.gz"
        start, length = int(facts["offset"]), int(facts["length"])
        [record] = ArchiveIterator(io.BytesIO(warc[start : start + length]), parse_http=True)
        assert record.headers["WARC-Target-URI"] == facts["url"]
        assert record.http_headers.status_code == int(facts["status"])
        found[facts["url"]] = record.http_headers.status_code
    assert set(found) == asked
    assert found[next(url for url in found if url.endswith("/gone"))] == 404
    assert not list(crawl.out.rglob("work/**/*.gz"))


def test_without_the_option_there_is_none(tmp_path: Path) -> None:
    with HostileWeb({"/": html(IMG)}) as web:
        Crawl(tmp_path, web.url("/"))
    assert not list(tmp_path.rglob("*.warc.gz"))


def test_what_the_site_says_elsewhere_stays_with_the_page(tmp_path: Path) -> None:
    rules = json.dumps([{"location": "/*", "tdm-reservation": 1}]).encode()
    routes = {
        "/": html(IMG),
        "/robots.txt": answer(b"User-agent: GPTBot\nDisallow: /\n"),
        "/.well-known/tdmrep.json": answer(rules, headers=("Content-Type: application/json",)),
    }
    with HostileWeb(routes) as web:
        crawl = Crawl(
            tmp_path, web.url("/"), warc_out=True, optout="report", site_files=("tdmrep",)
        )
    [pair] = crawl.rows("pairs")
    data = (tmp_path / "warc/part-00000.warc.gz").read_bytes()
    [batch] = read_archive(io.BytesIO(data), ArchiveSource(name="x", agent="webpairs"))
    assert batch.pairs.to_pylist()[0]["optout"] == pair["optout"]
    assert {signal.partition(":")[0] for signal in pair["optout"]} == {"robots", "tdmrep"}
