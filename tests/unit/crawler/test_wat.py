"""Pages of WAT records: every field that WAT carries, and what becomes of records without."""

import json
from pathlib import Path
from typing import Any

import pytest

from archive_samples import gzipped, read, record, texts_of
from webpairs_core.records import TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.archive.read import ArchiveBatch
from webpairs_crawler.web.urls import join

PAGE = "https://www.example.com/dir/page.html"


def image(url: str, **texts: str) -> dict[str, str]:
    return {"path": "IMG@/src", "url": url, **texts}


def wat(
    links: list[dict[str, str]],
    head: dict[str, Any] | None = None,
    headers: dict[str, Any] | None = None,
    status: str = "200",
) -> dict[str, Any]:
    html = {"Head": head or {}, "Links": links}
    http = {"Response-Message": {"Status": status}, "Headers": headers or {}, "HTML-Metadata": html}
    return {
        "Container": {"Filename": "x.warc.gz", "Offset": "1"},
        "Envelope": {
            "Payload-Metadata": {"HTTP-Response-Metadata": http},
            "WARC-Header-Metadata": {"WARC-Target-URI": PAGE, "WARC-Date": "2024-05-18T01:58:10Z"},
        },
    }


def written(value: object, compact: bool = True) -> bytes:
    separators = (",", ":") if compact else (", ", ": ")
    return json.dumps(value, ensure_ascii=False, separators=separators).encode()


def read_wat(*bodies: bytes, texts: tuple[TextSource, ...] = (TextSource.ALT,)) -> ArchiveBatch:
    records = [record(body, PAGE, "metadata", content_type="application/json") for body in bodies]
    return read(b"".join(gzipped(records)), texts)


def test_pairs_of_image_links() -> None:
    links = [
        {"path": "A@/href", "url": "/x.jpg", "text": "no image"},
        image("a.jpg", alt="first", title="its title"),
        image("/b.jpg?w=1", alt="  second\n one "),
        image("//cdn.example.org/c.jpg", alt="третий"),
        image("https://img.example.net/d%20d.jpg", alt='a } brace { and "quotes" \\ &amp; more'),
        image("../e.jpg#top", alt="fifth"),
        image("f.jpg"),
        image("g.jpg", alt=" "),
        image("data:image/gif,", alt="inline"),
        image("http://[bad/", alt="bad"),
        image("", alt="none"),
    ]
    for compact in (True, False):
        batch = read_wat(written(wat(links), compact))
        rows = batch.pairs.to_pylist()
        assert [(row["url"], row["text"]) for row in rows] == [
            ("https://www.example.com/dir/a.jpg", "first"),
            ("https://www.example.com/b.jpg?w=1", "second one"),
            ("https://cdn.example.org/c.jpg", "третий"),
            ("https://img.example.net/d%20d.jpg", 'a } brace { and "quotes" \\ & more'),
            ("https://www.example.com/e.jpg", "fifth"),
        ]
        assert [row["position"] for row in rows] == [0, 1, 2, 3, 4]
        assert {row["page_url"] for row in rows} == {PAGE}
        assert {row["found_in"] for row in rows} == {"x.warc@0"}
        assert {row["text_source"] for row in rows} == {"alt"}
        [entry] = batch.pages.to_pylist()
        assert (entry["n_images"], entry["n_pairs"]) == (10, 5)
        assert dict(entry["unpaired"]) == {"bad_url": 1, "data_url": 1, "no_text": 2, "no_url": 1}
        assert sum(dict(entry["unpaired"]).values()) + 5 == entry["n_images"]


def test_head_and_headers() -> None:
    head = {
        "Title": "  A   page ",
        "Base": "/media/",
        "Metas": [
            {"name": "HTML@/lang", "content": "De-AT"},
            {"name": "Robots", "content": "index, NoImageAI"},
            {"name": "tdm-reservation", "content": "1"},
        ],
        "Link": [
            {"path": "LINK@/href", "url": "style.css", "rel": "stylesheet"},
            {"path": "LINK@/href", "url": "cc.html", "rel": "foo License"},
            {
                "path": "LINK@/href",
                "url": "/l.xml",
                "rel": "license",
                "type": "application/rsl+xml",
            },
        ],
    }
    headers = {
        "x-robots-tag": ["noai, nofollow", "otherbot: noindex"],
        "Content-Usage": "train-ai=n",
        "TDM-Policy": "https://www.example.com/policy.json",
    }
    [row] = read_wat(written(wat([image("a.jpg", alt="x")], head, headers))).pairs.to_pylist()
    assert row["url"] == "https://www.example.com/media/a.jpg"
    assert row["page_lang"] == "de-at"
    assert row["context"] == "A page"
    assert row["license_url"] == "https://www.example.com/media/cc.html"
    assert row["fetched_at"].isoformat() == "2024-05-18T01:58:10+00:00"
    assert set(row["optout"]) == {
        "content-usage:train-ai=n@page",
        "meta-robots:noimageai@page",
        "rsl-license:/l.xml@page",
        "tdm-policy:https://www.example.com/policy.json@page",
        "tdm-reservation:1@page",
        "x-robots-tag:noai@page",
        "x-robots-tag:nofollow@page",
    }


def test_a_meta_for_our_own_agent() -> None:
    head = {"Metas": [{"name": "webpairs", "content": "noai"}, {"name": "o", "content": "noindex"}]}
    batch = read_wat(written(wat([], head)))
    assert batch.pages["optout"].to_pylist() == [["meta-robots:noai@page"]]


def test_other_sources() -> None:
    head = {
        "Metas": [
            {"property": "og:image", "content": "/share.jpg"},
            {"property": "og:image:alt", "content": "shared"},
            {"property": "og:title", "content": "The title"},
            {"property": "og:locale", "content": "pt_BR"},
        ]
    }
    links = [
        image("a.jpg", alt="alt", title="title"),
        image("b.jpg", alt="same", title="same"),
        {"path": "A@/href", "url": "full.JPG", "text": "a link", "title": "its title"},
        {"path": "A@/href", "url": "a.jpg", "text": "alt"},
        {"path": "A@/href", "url": "page.html", "text": "no image"},
    ]
    body = written(wat(links, head))

    def found(*texts: TextSource) -> list[tuple[str, str, str]]:
        rows = read_wat(body, texts=texts).pairs.to_pylist()
        return [(row["url"].rpartition("/")[2], row["text"], row["text_source"]) for row in rows]

    assert found(TextSource.TITLE, TextSource.ALT) == [
        ("a.jpg", "title", "title"),
        ("a.jpg", "alt", "alt"),
        ("b.jpg", "same", "title"),
    ]
    assert found(TextSource.ALT, TextSource.ANCHOR) == [
        ("a.jpg", "alt", "alt"),
        ("b.jpg", "same", "alt"),
        ("full.JPG", "a link", "anchor"),
        ("full.JPG", "its title", "anchor"),
    ]
    assert found(TextSource.OG) == [("share.jpg", "shared", "og")]
    assert found(TextSource.FIGCAPTION) == []
    assert read_wat(body, texts=(TextSource.OG,)).pairs["page_lang"].to_pylist() == ["pt-br"]


def test_what_is_no_page() -> None:
    request: dict[str, Any] = {"Envelope": {"Payload-Metadata": {"HTTP-Request-Metadata": {}}}}
    bare = wat([image("a.jpg", alt="x")])
    del bare["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"]
    no_links = wat([])
    del no_links["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"]["Links"]
    no_url = wat([image("a.jpg", alt="x")])
    no_url["Envelope"]["WARC-Header-Metadata"]["WARC-Target-URI"] = "no url"
    batch = read_wat(
        written(request),
        b"not even JSON",
        written(bare),
        written(no_links),
        written(no_url),
        written(wat([image("a.jpg", alt="x")], status="404")),
        written(wat([image("a.jpg", alt="x")], status="301")),
        written(wat([image("a.jpg", alt="x")]))[:-9],
        b'["HTTP-Response-Metadata"]',
    )
    assert batch.outcomes == {
        "bad_json": 2,
        "bad_url": 1,
        "http_4xx": 1,
        "not_html": 1,
        "ok": 1,
        "redirect": 1,
    }
    assert batch.others == {"metadata": 2}
    assert batch.pages.num_rows == sum(batch.outcomes.values())
    assert batch.pairs.num_rows == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"path":"IMG@/src","url":"a.jpg"', b'"url":"a.jpg","path":"IMG@/src"'),
        (b"/src", b"\\/src"),
        (b'"Status":"200"', b'"Status":200'),
        (b'"Links":[', b'"Links": \n [ '),
        (b"good", b"\\u0067ood"),
        (b"good", b"good\\ud83d"),
        (b"good", b"good\xff"),
        (b"good", b"go\x01od"),
    ],
)
def test_layouts_that_cannot_be_cut(old: bytes, new: bytes) -> None:
    body = written(wat([image("a.jpg", alt="good")]))
    assert old in body
    [text] = texts_of(read_wat(body.replace(old, new)))
    assert text in ("good", "good\ufffd")


def test_a_record_larger_than_a_page_may_be() -> None:
    body = written(wat([image("a.jpg", alt="x" * 9_000)]))
    data = record(body, PAGE, "metadata", content_type="application/json")
    assert read(data, max_page_bytes=8_000).outcomes == {"too_large": 1}
    assert texts_of(read(data)) == ["x" * 9_000]


def test_texts_are_cut_as_those_of_pages() -> None:
    assert [len(t) for t in texts_of(read_wat(written(wat([image("a", alt="é" * 12_000)]))))] == [
        10_000
    ]
    assert [len(t) for t in texts_of(read_wat(written(wat([image("a", alt="e" * 12_000)]))))] == [
        10_000
    ]


FILES = (
    "sample-0000.warc.wat.gz",
    "sample-1.warc.wat.gz",
    "wrapped-article-extraction-benchmark.warc.wat.gz",
    "wrapped-trafilatura-cache.warc.wat.gz",
)


@pytest.mark.parametrize("name", FILES)
def test_real_links(name: str, data_dir: Path) -> None:
    """Against the plainest reader there can be."""
    from fastwarc.warc import ArchiveIterator

    path = data_dir / "warc" / "wat" / name
    expected = []
    with path.open("rb") as file:
        for found in ArchiveIterator(file, parse_http=False):
            body = found.reader.read()
            if not body.startswith(b"{"):
                continue
            envelope = json.loads(body)["Envelope"]
            http = envelope["Payload-Metadata"].get("HTTP-Response-Metadata", {})
            html = http.get("HTML-Metadata")
            if html is None or http["Response-Message"]["Status"] != "200":
                continue
            page = envelope["WARC-Header-Metadata"]["WARC-Target-URI"]
            base = join(page, html["Head"].get("Base", "") or page)
            for link in html["Links"]:
                text = normalise_text(link.get("alt") or "")
                if link.get("path") == "IMG@/src" and text and link["url"].strip():
                    url = join(base or page, link["url"])
                    expected += [(url, text)] if url else []
    batch = read(path.read_bytes())
    ours = list(zip(batch.pairs["url"].to_pylist(), batch.pairs["text"].to_pylist(), strict=True))
    assert ours == expected
    assert len(ours) > 100
