"""No page, however hostile, may hold the crawl: each kind of work ends at a count.

Nothing is timed here: what is tested are the counts. benchmarks/hostile_pages.py prints the cost.
"""

import pytest
from selectolax.lexbor import LexborHTMLParser

from webpairs_core.records import TextSource
from webpairs_crawler.page import elements, json_ld, plain, social, texts
from webpairs_crawler.page.candidates import MAX_CANDIDATES, MAX_SOURCES, largest_first
from webpairs_crawler.page.extract import MAX_IMAGES, MAX_PAIRS, Page, PageSource, read_page
from webpairs_crawler.page.plain import CAPTION_CHARS, MAX_NODES, TextReader
from webpairs_crawler.web.srcset import parse_srcset

URL = "http://example.org/"
ALL = tuple(source for source in TextSource if source is not TextSource.TABLE)


def page(html: str, *sources: TextSource) -> Page:
    read = read_page(html.encode(), PageSource(url=URL, texts=sources or ALL))
    # An image makes one pair at least, or is counted.
    assert len(read.pairs) + sum(read.unpaired.values()) >= read.n_images
    return read


def test_images() -> None:
    read = page("<img src=a alt=b>" * (MAX_IMAGES + 7))
    assert (len(read.pairs), read.unpaired) == (MAX_IMAGES, {"page_full": 7})
    assert read.n_images == MAX_IMAGES + 7


def test_pairs() -> None:
    attributes = "alt=one title=two aria-label=three data-caption=four"
    read = page("".join(f"<img src={i} {attributes}>" for i in range(MAX_IMAGES)))
    assert len(read.pairs) == MAX_PAIRS
    assert read.unpaired == {"page_full": MAX_IMAGES - MAX_PAIRS // 4}


def test_twenty_thousand_images_of_one_caption() -> None:
    caption = "w\u00f6rd " * 5_000
    read = page(f"<figure>{'<img src=a>' * 20_000}<figcaption>{caption}</figcaption></figure>")
    assert len(read.pairs) == MAX_IMAGES
    assert all(len(pair.text) <= CAPTION_CHARS for pair in read.pairs)
    assert read.unpaired == {"page_full": 10_000}


def test_captions() -> None:
    figure = "<figure><img src=a><figcaption>words</figcaption></figure>"
    read = page(figure * (elements.MAX_CAPTIONS + 9), TextSource.FIGCAPTION)
    assert (len(read.pairs), read.unpaired) == (elements.MAX_CAPTIONS, {"no_text": 9})
    box = "<div><img src=a><p class=caption>words</p></div>"
    read = page(box * (elements.MAX_CAPTIONS + 9), TextSource.CAPTION_CLASS)
    assert (len(read.pairs), read.unpaired) == (elements.MAX_CAPTIONS, {"no_text": 9})


def test_links() -> None:
    read = page("".join(f"<a href={i}.jpg>text</a>" for i in range(elements.MAX_LINKS + 9)))
    assert len(read.links) == len(read.pairs) == elements.MAX_LINKS


def test_the_nodes_and_characters_of_one_text() -> None:
    tree = LexborHTMLParser(f"<p id=a>{'<i></i>' * MAX_NODES}late<p id=b>{'word ' * 9_999}")
    reader = TextReader()
    first, second = tree.css_first("#a"), tree.css_first("#b")
    assert first is not None
    assert second is not None
    assert reader.text(first) == ""
    assert len(reader.text(second)) == CAPTION_CHARS


def test_the_nodes_of_all_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "PAGE_NODES", 10)
    html = "".join(
        f"<figure><img src={i}><figcaption>w{i}</figcaption></figure>" for i in range(20)
    )
    read = page(html)
    assert [pair.text for pair in read.pairs] == [f"w{i}" for i in range(10)]
    assert read.unpaired == {"no_text": 10}


def test_the_characters_of_all_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "PAGE_CHARS", 100)
    read = page("".join(f"<img src={i} alt='{i:010}'>" for i in range(20)))
    assert (len(read.pairs), read.unpaired) == (10, {"no_text": 10})


def test_labels() -> None:
    many = texts.MAX_IDS + 5
    html = "".join(f"<p id=i{i}>{i}</p>" for i in range(many))
    names = " ".join(f"i{i}" for i in range(many))
    (pair,) = page(f"{html}<img src=a aria-labelledby='{names}'>").pairs
    assert pair.text == " ".join(map(str, range(texts.MAX_IDS)))


def test_candidates() -> None:
    assert len(largest_first(parse_srcset("a 1w," * 10_000))) == MAX_CANDIDATES
    sources = "<source srcset='late 9w'>" + "<source srcset='a 1w'>" * MAX_SOURCES
    (pair,) = page(f"<picture>{sources}<img alt=words></picture>").pairs
    assert pair.url == "http://example.org/a"


def test_a_picture_has_one_image() -> None:
    html = "<picture><source srcset='a 1w'><img alt=one><img src=b alt=two></picture>"
    assert [pair.url[-1] for pair in page(html).pairs] == ["a", "b"]


def script(text: str) -> str:
    return f'<script type="application/ld+json">{text}</script>'


OBJECT = '{"@type":"ImageObject","url":"%s.jpg","name":"words"}'


def test_json_ld() -> None:
    many = ",".join(OBJECT % i for i in range(json_ld.MAX_OBJECTS + 9))
    assert len(page(script(f"[{many}]")).pairs) == json_ld.MAX_OBJECTS
    blocks = "".join(script(OBJECT % i) for i in range(elements.MAX_SCRIPTS + 9))
    assert len(page(blocks).pairs) == elements.MAX_SCRIPTS
    large = script(OBJECT % "a" + " " * json_ld.MAX_BYTES)
    assert page(large + script(OBJECT % "b")).n_images == 0


@pytest.mark.parametrize("depth", [json_ld.MAX_DEPTH, json_ld.MAX_DEPTH + 1, 500, 100_000])
def test_the_depth_of_json_ld(depth: int) -> None:
    read = page(script('{"a":' * depth + OBJECT % "a" + "}" * depth))
    assert len(read.pairs) == (depth <= json_ld.MAX_DEPTH)


def test_cards() -> None:
    n = social.MAX_SHARED + 9
    html = "".join(
        f"<meta property=og:image content={i}><meta property=og:image:alt content=words>"
        for i in range(n)
    )
    assert len(page(html, TextSource.OG).pairs) == social.MAX_SHARED
    assert page("<meta content=x>" * elements.MAX_METAS + html, TextSource.OG).n_images == 0


def test_bases_and_licences() -> None:
    html = "<base href='http://['>" * elements.MAX_URLS + "<base href=/x/><img src=a alt=b>"
    assert page(html).pairs[0].url == "http://example.org/a"
    html = "<link rel=license href='http://['>" * elements.MAX_URLS + "<link rel=license href=/cc>"
    assert page(html + "<img src=a alt=b>").pairs[0].license_url == ""
