"""Sitemaps: pages, indexes, image pairs; every container; and bytes that are none or are traps."""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from webpairs_core.keys import pair_key
from webpairs_core.records import TextSource
from webpairs_crawler.page import sitemap as module
from webpairs_crawler.page.extract import PageSource
from webpairs_crawler.page.sitemap import MAX_TAGS, MAX_URLS, Sitemap, read_sitemap
from webpairs_crawler.page.sitemap_bytes import MAX_BYTES

URL = "https://a.example/maps/sitemap.xml"
BOTH = (TextSource.TITLE, TextSource.FIGCAPTION)
OPEN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">'
)


def read(body: str | bytes, **fields: Any) -> Sitemap:
    source = PageSource(url=URL, **({"texts": BOTH} | fields))
    return read_sitemap(body.encode() if isinstance(body, str) else body, source)


def page(loc: str, *images: str) -> str:
    return f"<url><loc>{loc}</loc><lastmod>2026-01-01</lastmod>{''.join(images)}</url>"


def image(**fields: str) -> str:
    inner = "".join(f"<image:{name}>{text}</image:{name}>" for name, text in fields.items())
    return f"<image:image>{inner}</image:image>"


def pages(*urls: str) -> str:
    return OPEN + "".join(map(page, urls)) + "</urlset>"


def test_pages_are_links_in_order_without_repeats() -> None:
    found = read(pages("https://a.example/1", " /2\n", "https://a.example/1", "3#x"))
    assert found.page.links == (
        "https://a.example/1",
        "https://a.example/2",
        "https://a.example/maps/3",
    )
    assert found.page.url == URL
    assert found.sitemaps == ()
    assert found.faults == {}


def test_an_index_names_sitemaps() -> None:
    body = (
        '<sitemapindex xmlns="https://www.sitemaps.org/schemas/sitemap/0.9">'
        "<sitemap><loc>https://a.example/1.xml.gz</loc><lastmod>2026</lastmod></sitemap>"
        "<sitemap><loc>/2.xml</loc></sitemap><sitemap><loc>ftp://a.example/3</loc></sitemap>"
        "<sitemap/></sitemapindex>"
    )
    found = read(body)
    assert found.sitemaps == ("https://a.example/1.xml.gz", "https://a.example/2.xml")
    assert found.page.links == ()
    assert found.faults == {"bad_url": 1, "no_loc": 1}


IMAGES = (
    OPEN
    + page(
        "https://a.example/cats",
        image(loc="/i/1.jpg", title="A  cat &amp; a dog", caption="On a &#8220;mat&#8221;"),
        image(loc="/i/2.jpg", license="https://creativecommons.org/licenses/by/4.0/"),
        image(title="no URL"),
        image(loc="data:image/png;base64,AAAA", caption="no web"),
    )
    + "<url>"
    + image(loc="../i/3.jpg", caption="<![CDATA[Before <its> page & after]]>")
    + "<loc>/dogs/1</loc></url></urlset>"
)


def test_an_image_sitemap_makes_pairs() -> None:
    found = read(IMAGES, found_in="live", signals=("tdmrep:0@page",))
    pairs = found.page.pairs
    assert [(p.url, p.text, p.text_source, p.page_url, p.position) for p in pairs] == [
        ("https://a.example/i/1.jpg", "A cat & a dog", BOTH[0], "https://a.example/cats", 0),
        ("https://a.example/i/1.jpg", "On a “mat”", BOTH[1], "https://a.example/cats", 1),
        (
            "https://a.example/i/3.jpg",
            "Before <its> page & after",
            BOTH[1],
            "https://a.example/dogs/1",
            2,
        ),
    ]
    assert pairs[0].key == pair_key(pairs[0].url, pairs[0].text)
    assert pairs[0].src_url == pairs[0].url
    assert {p.optout for p in pairs} == {("tdmrep:0@page",)}
    assert found.page.n_images == 5
    assert found.page.unpaired == {"bad_url": 1, "no_text": 1, "no_url": 1}


@pytest.mark.parametrize(
    ("texts", "n_pairs"),
    [((TextSource.ALT,), 0), ((TextSource.TITLE,), 1), ((TextSource.FIGCAPTION,), 2), (BOTH, 3)],
)
def test_the_recipe_chooses_the_texts(texts: tuple[TextSource, ...], n_pairs: int) -> None:
    assert len(read(IMAGES, texts=texts).page.pairs) == n_pairs


def test_the_licence_of_an_image() -> None:
    by = "https://creativecommons.org/licenses/by/4.0/"
    body = OPEN + page("/p", image(loc="/1.jpg", title="x", license=by), image(loc="/2", title="x"))
    assert [p.license_url for p in read(body).page.pairs] == [by, ""]


def test_the_sitemaps_own_headers_count_but_not_what_keeps_it_out_of_search() -> None:
    headers = (("X-Robots-Tag", "noindex, nofollow, noai"), ("tdm-reservation", "1"))
    found = read(IMAGES, headers=headers, signals=("robots:ccbot@page",))
    expected = ("robots:ccbot@page", "tdm-reservation:1@page", "x-robots-tag:noai@page")
    assert found.page.optout == expected
    assert found.page.pairs[0].optout == expected


@pytest.mark.parametrize(
    "body",
    [
        "https://a.example/1\nhttps://a.example/2\n",
        "\ufeffhttps://a.example/1\r\n\r\n  https://a.example/2  ",
        "https://a.example/1\rHTTPS://A.EXAMPLE/2",
        "<rss><channel><title>t</title><link>https://a.example/</link><item><title>a</title>"
        "<link>https://a.example/1</link></item><item><link>/2</link></item></channel></rss>",
        '<feed xmlns="http://www.w3.org/2005/Atom"><link href="/"/><entry>'
        '<link rel="self" href="/x"/><link href="/1"/></entry>'
        '<entry><link rel="alternate" href="/2"/></entry></feed>',
        "<urlset><url><loc>/1</loc></url><url><loc>/2</loc></url></urlset>",
        "\n\n <urlset><url><loc>/1</loc></url><url><loc>/2</loc></url></urlset>",
        "<x:urlset><x:url><x:loc>/1</x:loc></x:url><x:url><x:loc>/2</x:loc></x:url></x:urlset>",
        "<URLSET><URL><LOC>/1</LOC></URL><URL><LOC>/2</LOC></URL></URLSET>",
    ],
)
def test_every_form_names_the_same_pages(body: str) -> None:
    expected = ("https://a.example/1", "https://a.example/2")
    assert read(body).page.links == expected
    assert read(gzip.compress(body.encode())).page.links == expected
    two_members = gzip.compress(body[:20].encode()) + gzip.compress(body[20:].encode())
    assert read(two_members).page.links == expected
    if body.startswith("<"):
        for encoding in ("utf-16", "latin-1"):
            declared = f'<?xml version="1.0" encoding="{encoding}"?>{body}'.encode(encoding)
            assert read(declared).page.links == expected


def test_an_image_whose_prefix_was_never_declared_is_one() -> None:
    body = "<urlset>" + page("/p", image(loc="/i.jpg", title="x")) + "</urlset>"
    assert len(read(body).page.pairs) == 1
    video = "<video:video><video:title>no</video:title><video:loc>/v</video:loc></video:video>"
    found = read("<urlset>" + page("/p", video) + "</urlset>")
    assert found.page.links == ("https://a.example/p",)
    assert found.page.n_images == 0


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("/?a=1&b=2", "/?a=1&b=2"),
        ("/?a=1&amp;b=2", "/?a=1&b=2"),
        ("/?a&copy=1", "/?a&copy=1"),
        ("/&eacute;&#233;&#xe9;", "/%C3%A9%C3%A9%C3%A9"),
        ("/&nothing;", "/&nothing;"),
        ("<![CDATA[/?a=1&b=2]]>", "/?a=1&b=2"),
        ("/a&", "/a&"),
    ],
)
def test_ampersands_as_they_are_found(written: str, url: str) -> None:
    """Wherever the pieces are cut in which the bytes are read."""
    for n_before in (0, *range(65_536 - 60, 65_536 - 10)):
        body = "<urlset>" + " " * n_before + f"<url><loc>{written}</loc></url></urlset>"
        assert read(body).page.links == (f"https://a.example{url}",)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (b"", {}),
        (b"Not found", {"bad_url": 1}),
        (b'{"error": 404}', {"bad_url": 1}),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), {"bad_url": 3}),
        (b"\x1f\x8b", {"bad_gzip": 1}),
        (b"\x1f\x8bnot gzip at all", {"bad_gzip": 1}),
        (b"<", {"malformed": 1}),
        (b"<html><body><a href=/1>x</a><br>", {"malformed": 1}),
    ],
)
def test_what_is_no_sitemap_is_an_empty_one(body: bytes, faults: dict[str, int]) -> None:
    found = read(body)
    assert (found.page.links, found.sitemaps, found.page.pairs) == ((), (), ())
    assert found.faults == faults


def test_what_stands_before_a_fault_counts() -> None:
    body = OPEN + page("/1", image(loc="/i.jpg", title="x")) + page("/2")
    expected = ("https://a.example/1", "https://a.example/2")
    cut = read(body)
    assert cut.page.links == expected
    assert len(cut.page.pairs) == 1
    assert cut.faults == {"malformed": 1}
    open_item = read(OPEN + "<url><loc>/1</loc></url><url><loc>/2</loc>" + image(loc="/i"))
    assert open_item.page.links == expected
    crossed = read(OPEN + "<url><loc>/1</url></loc><url><loc>/2</loc></url></urlset>")
    assert crossed.page.links[-1] == expected[-1]
    many = "".join(page(f"/{n:04}/{n * 7919 % 1000}") for n in range(2000))
    packed = gzip.compress((OPEN + many).encode())
    half = read(packed[: len(packed) // 2])
    assert 0 < len(half.page.links) < 2000
    assert half.faults["bad_gzip"] == 1


def test_more_than_the_protocol_allows_is_left() -> None:
    full = pages(*(f"/{n}" for n in range(MAX_URLS)))
    assert len(read(full).page.links) == MAX_URLS
    assert read(full).faults == {}
    more = read(full.replace("</urlset>", page("/more") + "</urlset>"))
    assert len(more.page.links) == MAX_URLS
    assert more.faults == {"too_many_urls": 1}
    lines = read("https://a.example/same\n" * (MAX_URLS + 5))
    assert lines.faults == {"too_many_urls": 1}


def test_images_beyond_the_cap_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_IMAGES", 2)
    found = read(IMAGES)
    assert found.page.n_images == 5
    assert found.page.unpaired == {"no_text": 1, "page_full": 3}


TAGS, MALFORMED = {"too_many_tags": 1}, {"malformed": 1}


def bombs() -> Iterator[tuple[str, bytes, dict[str, int]]]:
    yield "gzip", gzip.compress(b"<urlset>" + b"<a/>" * (MAX_BYTES // 4), 1), TAGS
    yield "blanks", gzip.compress(b"<urlset>" + b" " * 2 * MAX_BYTES, 1), MALFORMED
    lines = b"https://a.example/" + b"x" * 20_000_000 + b"\nhttps://a.example/1"
    yield "line", lines, {"bad_url": 1}
    yield "tags", b"<urlset>" + b"<a/>" * (MAX_TAGS + 10), TAGS
    yield "depth", b"<a>" * 500_000, TAGS
    yield "attributes", b"<urlset><url " + b'a="x" ' * 1_000_000 + b"/>", MALFORMED
    yield "ampersands", b"<urlset>" + b"&" * 8_000_000, MALFORMED
    yield "comment", b"<urlset><!--" + b"-" * 8_000_000, MALFORMED
    yield "name", b"<" + b"a" * 8_000_000, MALFORMED


@pytest.mark.parametrize(("body", "faults"), [b[1:] for b in bombs()], ids=[b[0] for b in bombs()])
def test_a_bomb_is_put_down(body: bytes, faults: dict[str, int]) -> None:
    """Soon: what comes after a gap or the thousandth thousand of tags is not looked at."""
    found = read(body)
    assert found.page.pairs == ()
    assert found.faults == faults


def test_too_many_bytes_are_left() -> None:
    body = gzip.compress(
        b"<urlset>" + b"<!-- a comment of some length, again and again -->" * 1_300_000
    )
    assert read(body).faults == {"too_large": 1, "malformed": 1}


def test_entities_neither_multiply_nor_read_files() -> None:
    laughs = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    body = f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{laughs}<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    body += OPEN.partition("\n")[2] + page("/p", image(loc="/i.jpg", title="x &i; &f;"))
    for encoded in (body.encode(), body.encode("utf-16")):
        found = read(encoded)
        assert found.page.links == ("https://a.example/p",)
        assert all(len(pair.text) < 20 and "root" not in pair.text for pair in found.page.pairs)


def test_a_text_without_end_is_cut() -> None:
    body = OPEN + page("/p", image(loc="/i.jpg", title="word " * 100_000)) + "</urlset>"
    [pair] = read(body).page.pairs
    assert len(pair.text) <= 10_000
