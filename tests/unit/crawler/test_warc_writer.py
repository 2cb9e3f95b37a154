"""WARC files of our own: other people's readers read them, and the index leads to each record."""

import gzip
import json
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from warcio.archiveiterator import ArchiveIterator as WarcioIterator
from warcio.checker import Checker

from webpairs_crawler.archive.surt import surt
from webpairs_crawler.archive.writer import Exchange, WarcWriter, write_cdx

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
AGENT = "webpairs/9 (+https://example.org/bot)"


def exchange(path: str, body: bytes = b"<p>hello", **fields: Any) -> Exchange:
    headers = (("Content-Type", "text/html; charset=utf-8"), ("X-Robots-Tag", "noai"))
    given = {"status": 200, "reason": "OK", "headers": headers, "agent": AGENT, **fields}
    return Exchange(url=f"http://www.example.org{path}", fetched_at=AT, body=body, **given)


def responses(path: Path) -> list[Any]:
    with path.open("rb") as file:
        iterator = ArchiveIterator(file, WarcRecordType.response, verify_digests=True)
        return [(record.freeze(), record)[1] for record in iterator]


@pytest.fixture
def warc(tmp_path: Path) -> Path:
    path = tmp_path / "part-00000.warc.gz"
    with WarcWriter(path) as writer:
        for name in ("/b?z&a", "/a", "/"):
            writer.write(exchange(name, f"<p>{name}".encode()))
    return path


def test_fastwarc_reads_the_pages(warc: Path) -> None:
    first, *rest = responses(warc)
    assert len(rest) == 2
    assert first.headers["WARC-Target-URI"] == "http://www.example.org/b?z&a"
    assert first.headers["WARC-Date"] == "2026-01-02T03:04:05.678901Z"
    assert first.verify_payload_digest()
    assert first.http_headers.status_code == 200
    assert first.http_headers["X-Robots-Tag"] == "noai"
    assert first.reader.read() == b"<p>/b?z&a"


def test_warcio_reads_all_records_and_finds_every_digest_right(
    warc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with warc.open("rb") as file:
        kinds = []
        for record in WarcioIterator(file, check_digests="raise"):
            body = record.content_stream().read()
            kinds.append(record.rec_type)
            if record.rec_type == "request":
                assert record.http_headers.get_header("User-Agent") == AGENT
                assert record.http_headers.get_header("Host") == "www.example.org"
            if record.rec_type == "warcinfo":
                assert b"software: webpairs/" in body
    assert kinds == ["warcinfo", *["request", "response"] * 3]
    checker = Checker(type("Args", (), {"inputs": [str(warc)], "verbose": True}))
    checker.process_all()
    assert checker.exit_value == 0
    assert "fail" not in capsys.readouterr().out


def test_each_record_is_a_gzip_member(warc: Path) -> None:
    data, n_members = warc.read_bytes(), 0
    while data:
        member = zlib.decompressobj(wbits=31)
        assert member.decompress(data).startswith(b"WARC/1.1\r\n")
        data, n_members = member.unused_data, n_members + 1
    assert n_members == 7


def test_the_request_names_the_response(warc: Path) -> None:
    with warc.open("rb") as file:
        _, request, response, *_ = ArchiveIterator(file)
    assert request.record_type == WarcRecordType.request
    assert request.headers["WARC-Concurrent-To"] == response.record_id


def test_packing_headers_tell_what_was_but_nobody_believes_them(tmp_path: Path) -> None:
    headers = (
        ("Content-Encoding", "br"),
        ("transfer-encoding", "chunked"),
        ("Content-Length", "7"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    )
    path = tmp_path / "a.warc.gz"
    with WarcWriter(path) as writer:
        writer.write(exchange("/", b"plain text", headers=headers))
    [record] = responses(path)
    assert record.http_headers.to_tuples() == (
        ("X-Crawler-Content-Encoding", "br"),
        ("X-Crawler-transfer-encoding", "chunked"),
        ("X-Crawler-Content-Length", "7"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Content-Length", "10"),
    )
    assert record.reader.read() == b"plain text"


def test_a_header_cannot_start_another(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    evil = (("X-A", "1\r\nX-B: 2\r\n\r\n<p>body"), ("X-C", "caf\xe9"), ("X-D", "\u2603"))
    with WarcWriter(path) as writer:
        writer.write(exchange("/", b"x", headers=evil, reason="OK\r\nX-E: 3"))
    [record] = responses(path)
    names = [name for name, _ in record.http_headers.to_tuples()]
    assert names == ["X-A", "X-C", "X-D", "Content-Length"]
    assert record.http_headers.to_tuples()[1][1].encode("latin-1", "replace")
    assert record.reader.read() == b"x"


def test_a_torn_tail_is_cut_and_the_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    with WarcWriter(path) as writer:
        kept = writer.write(exchange("/1"))
        assert kept == path.stat().st_size
        assert writer.write(exchange("/2")) > kept
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size - 9)
    with WarcWriter(path) as writer:
        writer.truncate(kept)
        writer.write(exchange("/3"))
        assert writer.length == path.stat().st_size
    urls = [record.headers["WARC-Target-URI"] for record in responses(path)]
    assert urls == ["http://www.example.org/1", "http://www.example.org/3"]


def test_a_file_cut_to_nothing_starts_again_with_its_warcinfo(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    with WarcWriter(path) as writer:
        writer.write(exchange("/1"))
        writer.truncate(0)
        writer.write(exchange("/2"))
    with path.open("rb") as file:
        first, *rest = ArchiveIterator(file)
    assert first.record_type == WarcRecordType.warcinfo
    assert len(rest) == 2


def test_the_index_addresses_each_record(warc: Path, tmp_path: Path) -> None:
    cdx = tmp_path / "part-00000.cdxj"
    assert write_cdx(warc, cdx) == 3
    lines = cdx.read_text().splitlines()
    assert lines == sorted(lines)
    data = warc.read_bytes()
    for line, path in zip(lines, ("/", "/a", "/b?z&a"), strict=True):
        key, time, facts = line.split(" ", 2)
        entry = json.loads(facts)
        assert key == surt(entry["url"])
        assert time == "20260102030405"
        assert entry["url"] == f"http://www.example.org{path}"
        assert (entry["mime"], entry["status"]) == ("text/html", "200")
        offset, length = int(entry["offset"]), int(entry["length"])
        record = gzip.decompress(data[offset : offset + length])
        assert record.endswith(f"<p>{path}\r\n\r\n".encode())
        assert entry["digest"].encode() in record
        assert entry["filename"] == warc.name


def test_an_empty_body_and_an_odd_status(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    with WarcWriter(path) as writer:
        writer.write(exchange("/", b"", status=599, reason="", headers=()))
    [record] = responses(path)
    assert record.http_headers.status_code == 599
    assert record.reader.read() == b""
    assert write_cdx(path, tmp_path / "a.cdxj") == 1
    assert '"mime":"unk","status":"599"' in (tmp_path / "a.cdxj").read_text()


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://www.example.org/", "org,example)/"),
        ("https://www2.example.org/Path/?b=1&a=2", "org,example)/path?a=2&b=1"),
        ("http://example.org:8080/a", "org,example:8080)/a"),
        ("http://awww.example.org/", "org,example,awww)/"),
        ("http://127.0.0.2/x", "2,0,0,127)/x"),
        ("http://[::1]:81/x", "[::1]:81)/x"),
    ],
)
def test_surt_keys(url: str, key: str) -> None:
    assert surt(url) == key
