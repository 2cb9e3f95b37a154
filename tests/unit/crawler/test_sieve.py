"""Pages made to stop the parser: each trap must be called heavy, and then lose nothing of worth.

What is tested is the verdict, not the clock. Each trap costs the bare parser more than a second,
most of them minutes (measured when the guard was written).
"""

from pathlib import Path

import pytest

from webpairs_core.records import TextSource
from webpairs_crawler.page.extract import PageSource, read_page
from webpairs_crawler.page.sieve import MAX_TAGS, guarded, is_heavy, sieve

URL = "http://example.org/"
IMG = b"<img src=a.jpg alt='a red door'>"


def fonts(n: int) -> bytes:
    return b"".join(b"<font a=%d>" % i for i in range(n))


def attributes(n: int) -> bytes:
    return b" ".join(b"a%d=1" % i for i in range(n))


TRAPS = {
    "nested blocks": b"<div>" * 200_000,
    "nested lists": b"<ul><li>" * 100_000,
    "nested objects": b"<object><p>" * 100_000,
    "end tags in comments": b"<div><!--</div>-->" * 55_000,
    "end tags in attributes": b'<div><a b="</div>"></a>' * 40_000,
    "end tags in select": b"<div><select></div></select>" * 40_000,
    "end tags in tables": b"<div><table></div></table>" * 40_000,
    "end tags in CDATA": b"<div><svg><![CDATA[ > </svg></div> ]]></svg>" * 20_000,
    "end tags in escaped scripts": b"<div><script><!--<script></script></div></script>" * 20_000,
    "blocks in an SVG title": b"<svg><title>" + b"<div>" * 100_000,
    "reopened formatting": b"<p>" + fonts(2_499) + b"<p>y" * 2_499,
    "reopened formatting, nested": b"<x>" * 100_000 + fonts(50) + b"y</x>" * 100_000,
    "reopened formatting, flat": b"<p>" + fonts(30) + b"<p>y" * 290_000,
    "attributes of one tag": b"<p " + attributes(80_000) + b">",
    "attributes of many tags": (b"<p " + attributes(1_000) + b">") * 700,
    "attributes merged into html": b"".join(b"<html a%d=1>" % i for i in range(100_000)),
    "attributes merged into body": b"".join(b"<body a%d=1>" % i for i in range(100_000)),
    "stray end tags under depth": b"<x>" * 500 + b"</y>" * 290_000,
}


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_is_heavy_and_its_images_are_still_found(name: str) -> None:
    html = IMG + TRAPS[name] + b"</title></script></select>" + IMG
    assert is_heavy(html)
    assert not is_heavy(guarded(html))
    pairs = read_page(html, PageSource(url=URL)).pairs
    assert pairs
    assert {pair.text for pair in pairs} == {"a red door"}


HARMLESS = {
    "a long list": b"<ul>" + b"<li><a href=x>text</a>" * 20_000 + b"</ul>",
    "unclosed paragraphs": b"<p>text" * 50_000,
    "a long table": b"<table>" + b"<tr><td>a<td><b>b</b>" * 20_000 + b"</table>",
    "many images": IMG * 20_000,
    "a large script": b"<script>" + b"if (a < b) { c = '<div>' }" * 20_000 + b"</script>",
    "a large text": b"word " * 500_000,
    "unclosed comments": b"<!--" * 500_000,
    "angles": b"<" * 1_000_000,
    "raw text left open": b"<title>" * 200_000,
    "moderate depth": b"<div>" * 200 + b"<p>text</p>" * 20_000 + b"</div>" * 200,
    "mis-nested": b"<b><i>x</b></i>" * 5_000,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_large_page_is_not_heavy(name: str) -> None:
    assert guarded(HARMLESS[name]) is HARMLESS[name]


def test_small_pages_are_not_even_weighed() -> None:
    reopened = b"<p>" + fonts(1_200) + b"<p>y" * 1_200
    assert guarded(reopened) is reopened


def test_depth_that_costs_little_is_left_alone() -> None:
    deep = b"<div>" * 10_000 + IMG
    assert guarded(deep) is deep


def test_a_sieved_page_gives_the_same() -> None:
    html = b"""<!doctype html><html lang=de><head><title>A &lt; B</title><base href="/x/">
        <meta name=robots content=noimageai><link rel=license href=/cc></head>
        <body><div><ul><li><figure><a href=full.html><picture><source srcset="w.webp 900w">
        <img src="a.jpg" alt="say <b>bold</b> &amp; 'so'"></picture></a>
        <figcaption>The <i>caption</i> of < it</figcaption></figure></li></ul></div>
        <!-- <img src=c.jpg alt=c> --><script>"<img src=d.jpg alt=d>"</script>
        <map><area href=area.html></map><p><img src=b.png alt=plain title=t width=9>
        <noscript><img src=b.png alt=plain></noscript><a href=big.jpg>the <b>text</b> of &lt; it</a>
        <script type="application/LD+json">{"image": {"url": "l.jpg", "name": "a <i>name</i>"}}
        </script><script>a < b</script><meta property=og:image content=o.jpg>
        <meta property=og:image:alt content="of the card"><img src=c.png data-caption=data>"""
    lost = (TextSource.TABLE, TextSource.CAPTION_CLASS)
    texts = tuple(source for source in TextSource if source not in lost)
    source = PageSource(url=URL, texts=texts)
    assert {p.text_source for p in read_page(html, source).pairs} >= {
        TextSource.ANCHOR,
        TextSource.JSON_LD,
        TextSource.OG,
    }
    assert read_page(sieve(html), source) == read_page(html, source)


def test_a_sieved_page_ends_somewhere() -> None:
    assert sieve(IMG * (MAX_TAGS + 9)).count(b"<img") == MAX_TAGS


def test_real_pages_are_not_heavy_and_sieve_to_the_same_pairs(data_dir: Path) -> None:
    n_pairs = 0
    for path in sorted((data_dir / "site").rglob("*.html"))[::7]:
        html = path.read_bytes()
        assert not is_heavy(html)
        whole, sieved = (read_page(h, PageSource(url=URL)) for h in (html, sieve(html)))
        assert sieved.pairs == whole.pairs
        assert sieved.links == whole.links
        n_pairs += len(whole.pairs)
    assert n_pairs > 200
