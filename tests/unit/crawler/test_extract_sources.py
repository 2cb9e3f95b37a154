"""Where texts come from: captions, data attributes, links, JSON-LD, cards; and whose they are."""

import json

import pytest

from webpairs_core.records import TextSource
from webpairs_crawler.page.extract import Page, PageSource, read_page

URL = "http://example.org/a/page.html"
ALL = tuple(source for source in TextSource if source is not TextSource.TABLE)


def page(html: str, *texts: TextSource) -> Page:
    return read_page(html.encode(), PageSource(url=URL, texts=texts or ALL))


def rows(html: str, *texts: TextSource) -> list[tuple[str, str, str]]:
    """Each pair as (file name, source, text)."""
    return [
        (pair.url.rpartition("/")[2], str(pair.text_source), pair.text)
        for pair in page(html, *texts).pairs
    ]


# Captions by class name


@pytest.mark.parametrize(
    "html",
    [
        "<div class=wp-caption><img src=a><p class=wp-caption-text>The words</p></div>",
        "<div><div><img src=a></div><div class='x Image-Caption'>The words</div></div>",
        "<div><p class=caption>The <b>words</b></p><a href=/x><span><img src=a></span></a></div>",
        "<div><img src=a><div><div><span itemprop=caption>The words</span></div></div></div>",
        "<div><img src=a><div class=caption>The <em class=caption-title>words</em></div></div>",
    ],
)
def test_a_caption_by_class_name(html: str) -> None:
    assert rows(html, TextSource.CAPTION_CLASS) == [("a", "caption_class", "The words")]


@pytest.mark.parametrize(
    "html",
    [
        # whose?
        "<div><img src=a><img src=b><p class=caption>words</p></div>",
        # too far above
        "<div><img src=a><div><div><div><div><p class=caption>words</div></div></div></div></div>",
        # around an image: a box, no caption
        "<div class=caption>words <img src=a></div>",
        # a figcaption, whatever its class, is that
        "<figure><img src=a><figcaption class=caption>words</figcaption></figure>",
        "<figure><img src=a><figcaption><p class=caption>words</figcaption></figure>",
        "<div><img src=a><input class=caption value=words></div>",
    ],
)
def test_no_caption_is_guessed(html: str) -> None:
    assert rows(html, TextSource.CAPTION_CLASS) == []


def test_as_many_captions_as_images_go_in_order() -> None:
    html = "<div><img src=a><p class=caption>one</p><img src=b><p class=caption>two</p></div>"
    assert [row[::2] for row in rows(html)] == [("a", "one"), ("b", "two")]


def test_the_copy_in_noscript_does_not_make_a_caption_ambiguous() -> None:
    html = (
        "<div><img src=/blank.gif data-src=a.jpg><noscript><img src=a.jpg></noscript>"
        "<p class=caption>the words</p></div>"
    )
    assert rows(html) == [("a.jpg", "caption_class", "the words")]


# Attributes


def test_data_attributes_without_their_markup() -> None:
    html = (
        "<img src=a data-image-title='One' data-image-caption='&lt;p&gt;Two &lt;b&gt;words'"
        " data-alt='One' data-caption='' data-other=no>"
    )
    assert rows(html) == [("a", "data_attr", "One"), ("a", "data_attr", "Two words")]


def test_references_escaped_twice_are_read() -> None:
    html = "<img src=a alt='Mum&amp;#8217;s R&amp;amp;D &amp;quot;lab&amp;quot;'>"
    assert rows(html) == [("a", "alt", 'Mum’s R&D "lab"')]


# One text, one row


def test_a_text_is_tagged_with_the_first_source_that_gives_it() -> None:
    html = "<figure><img src=a alt=Same title='same ' aria-label=Same><figcaption>same</figure>"
    assert rows(html, TextSource.ALT, TextSource.FIGCAPTION, TextSource.TITLE, TextSource.ARIA) == [
        ("a", "alt", "Same"),
        ("a", "figcaption", "same"),
    ]
    assert rows(html, TextSource.TITLE, TextSource.ARIA, TextSource.ALT) == [
        ("a", "title", "same"),
        ("a", "aria", "Same"),
    ]


def test_the_order_of_the_recipe_decides_across_the_page_too() -> None:
    html = (
        "<meta property=og:image content=a.jpg><meta property=og:image:alt content='the words'>"
        "<img src=a.jpg alt='the words'>"
    )
    first = page(html, TextSource.ALT, TextSource.OG)
    assert [str(p.text_source) for p in first.pairs] == ["alt"]
    assert (first.n_images, first.unpaired) == (2, {"repeated": 1})
    last = page(html, TextSource.OG, TextSource.ALT)
    assert [str(p.text_source) for p in last.pairs] == ["og"]
    assert (last.n_images, last.unpaired) == (2, {"repeated": 1})


def test_two_elements_with_one_text_are_two_pairs() -> None:
    assert len(page("<img src=a alt=same><img src=a alt=same>").pairs) == 2


# noscript


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            "<img src=blank.gif data-src=a.jpg alt=x><noscript><img src=a.jpg alt=x></noscript>",
            ["a.jpg"],
        ),
        # another size of the same, before or after
        (
            "<img data-src=a-300.jpg alt=same><noscript><p><img src=a.jpg alt=same></noscript>",
            ["a-300.jpg"],
        ),
        (
            "<p><noscript><img src=a.jpg alt=same></noscript><img data-src=a-300.jpg alt=same>",
            ["a-300.jpg"],
        ),
        # the scripts' image is nowhere to be seen
        (
            "<img src=blank.gif alt=same><noscript><img src=a.jpg alt=same></noscript>",
            ["blank.gif", "a.jpg"],
        ),
        (
            "<img data-src=b.jpg alt=other><noscript><img src=a.jpg alt=x></noscript>",
            ["b.jpg", "a.jpg"],
        ),
    ],
)
def test_noscript_gives_what_nothing_else_gives(html: str, expected: list[str]) -> None:
    read = page(html)
    assert [pair.url.rpartition("/")[2] for pair in read.pairs] == expected
    assert read.n_images == 2
    assert read.unpaired == ({"repeated": 1} if len(expected) == 1 else {})


# Links


def test_links_to_images_with_a_text() -> None:
    html = (
        "<a href=/full.jpg title='The title'>The <i>text</i></a><a href=/none.png></a>"
        "<a href=page.html>no image</a><a href=/x.JPEG?w=9#y>with a query</a>"
    )
    read = page(html)
    assert [(p.url, p.text) for p in read.pairs] == [
        ("http://example.org/full.jpg", "The text"),
        ("http://example.org/full.jpg", "The title"),
        ("http://example.org/x.JPEG?w=9", "with a query"),
    ]
    assert {str(p.text_source) for p in read.pairs} == {"anchor"}
    assert (read.n_images, read.unpaired) == (2, {})


def test_the_image_inside_a_link_stands_for_the_full_size() -> None:
    read = page("<a href=full.jpg><img src=thumb.jpg alt='the alt'></a>")
    (pair,) = read.pairs
    assert (pair.url, pair.src_url, str(pair.text_source)) == (
        "http://example.org/a/full.jpg",
        "http://example.org/a/thumb.jpg",
        "alt",
    )


@pytest.mark.parametrize(
    "href",
    [
        "/wiki/File:A.jpg",
        "/w/Datei%3AA.jpg",
        "//code.example/o/r/blob/main/a.png",
        "/x.php?f=a.jpg",
    ],
)
def test_pages_about_images_are_no_images(href: str) -> None:
    (pair,) = page(f"<a href='{href}'><img src=a.jpg alt='the alt'>some words</a>").pairs
    assert pair.url == "http://example.org/a/a.jpg"


# JSON-LD


def ld(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f'<script type="application/ld+json">{text}</script>'


@pytest.mark.parametrize(
    "thing",
    [
        {"@type": "ImageObject", "url": "i.jpg", "caption": "words"},
        {
            "@type": ["Thing", "ImageObject"],
            "contentUrl": "i.jpg",
            "url": "x",
            "description": "words",
        },
        {"@type": "http://schema.org/ImageObject", "url": ["i.jpg", "j.jpg"], "name": "words"},
        [
            {
                "@graph": [
                    {"@type": "WebPage"},
                    {"@type": "ImageObject", "url": "i.jpg", "name": "words"},
                ]
            }
        ],
        {"@type": "Article", "image": {"url": "i.jpg", "caption": "words"}},
        {"@type": "Product", "image": [{"@type": "ImageObject", "url": "i.jpg", "name": "words"}]},
        {"@type": "ImageObject", "url": "i.jpg", "caption": {"@value": "words", "@language": "en"}},
        # as found in the wild
        '{"@type":"ImageObject","url":"i.jpg","caption":"wor\nds"}'.replace("\n", "").replace(
            "words", "\twords\n"
        ),
        '<!-- {"@type":"ImageObject","url":"i.jpg","name":"words"} -->',
        '//<![CDATA[\n{"@type":"ImageObject","url":"i.jpg","name":"words"}\n//]]>',
        '{"@type":"ImageObject","url":"i.jpg","name":"words"};',
        '{"@type":"ImageObject","url":"i.jpg","name":"&lt;p&gt;words"}',
        '{"@type":"ImageObject","url":"i.jpg","name":"<p>words</p>"}',
    ],
)
def test_image_objects(thing: object) -> None:
    found = rows(ld(thing))
    assert [(url, source) for url, source, _ in found] == [("i.jpg", "json_ld")]
    assert found[0][2] == "words"


def test_what_an_image_object_says_of_itself() -> None:
    thing = {
        "@type": "ImageObject",
        "url": "/i.jpg",
        "caption": "one",
        "description": "two",
        "name": "/i.jpg",
        "width": "640px",
        "height": 480,
        "license": "/cc-by",
    }
    pairs = page(ld(thing)).pairs
    assert [pair.text for pair in pairs] == ["one", "two"]
    assert {(p.declared_width, p.declared_height, p.license_url) for p in pairs} == {
        (640, 480, "http://example.org/cc-by")
    }


@pytest.mark.parametrize(
    ("thing", "unpaired"),
    [
        ({"@type": "ImageObject", "url": "i.jpg"}, {"no_text": 1}),
        ({"@type": "ImageObject", "caption": "words"}, {"no_url": 1}),
        ({"@type": "ImageObject", "url": "data:image/gif;base64,R0", "name": "n"}, {"data_url": 1}),
        ({"@type": "ImageObject", "url": 5, "caption": ["words"]}, {"no_url": 1}),
        ({"@type": "Article", "image": "i.jpg", "name": "words"}, {}),
        ({"@type": 7, "image": {"@type": None}}, {}),
        ("{", {}),
        ("", {}),
        ("null", {}),
        ("[" * 100_000, {}),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, {}),
        ("9" * 5_000, {}),
    ],
)
def test_json_ld_that_makes_no_pair(thing: object, unpaired: dict[str, int]) -> None:
    read = page(ld(thing))
    assert (read.pairs, read.unpaired) == ((), unpaired)
    assert page(ld(thing), TextSource.ALT).n_images == 0


# Cards


def test_cards() -> None:
    html = (
        "<meta property=og:image content=/a.jpg><meta property=og:image:alt content='alt of a'>"
        "<meta property=og:image:width content=1200><meta property=og:image content=/b.jpg>"
        "<meta property=og:image:secure_url content=/b.jpg><meta name=og:image:alt content='of b'>"
        "<meta name=twitter:image content=/c.jpg><meta name=twitter:image:alt content='alt of c'>"
        "<meta property=og:title content='The title'>"
    )
    assert rows(html, TextSource.OG) == [
        ("a.jpg", "og", "alt of a"),
        ("b.jpg", "og", "of b"),
        ("c.jpg", "og", "alt of c"),
    ]
    assert page(html, TextSource.OG).pairs[0].declared_width == 1200
    titles = page(html, TextSource.OG_TITLE)
    assert {p.text for p in titles.pairs} == {"The title"}
    assert {str(p.text_source) for p in titles.pairs} == {"og_title"}
    assert len(titles.pairs) == 3


def test_a_twitter_alt_speaks_of_the_open_graph_image() -> None:
    html = "<meta name=twitter:image:alt content=words><meta property=og:image content=a.jpg>"
    assert rows(html, TextSource.OG) == [("a.jpg", "og", "words")]


def test_the_title_of_a_page_is_no_text_for_who_did_not_ask() -> None:
    html = "<meta property=og:image content=a.jpg><meta property=og:title content=Title>"
    read = page(html, *(source for source in ALL if source is not TextSource.OG_TITLE))
    assert (read.pairs, read.unpaired) == ((), {"no_text": 1})


# The page


def test_the_language_of_the_card_where_html_names_none() -> None:
    card = "<meta property=og:locale content=pt_BR>"
    assert page(card).lang == "pt-br"
    assert page(f"<html lang=de>{card}").lang == "de"


def test_signals_known_beforehand_reach_page_and_pairs() -> None:
    source = PageSource(url=URL, signals=("rsl:ai-train@page",))
    read = read_page(b"<meta name=robots content=noai><img src=a alt=b>", source)
    assert read.optout == ("meta-robots:noai@page", "rsl:ai-train@page")
    assert read.pairs[0].optout == read.optout


def test_blocks_of_a_caption_are_set_apart() -> None:
    html = (
        "<figure><img src=a><figcaption><p>One</p><p>T<b>w</b>o<br>three</p></figcaption></figure>"
    )
    assert rows(html) == [("a", "figcaption", "One Two three")]


def test_what_links_and_cards_repeat_is_one_pair() -> None:
    link = "<a href=/x.jpg>a red door</a>"
    read = page(link + link + link, TextSource.ANCHOR)
    assert [pair.text for pair in read.pairs] == ["a red door"]
    assert (read.n_images, read.unpaired) == (3, {"repeated": 2})
