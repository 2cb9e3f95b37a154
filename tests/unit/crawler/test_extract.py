"""Pages in, pairs out: each source, each reason, hostile pages, real pages."""

import gzip
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpairs_core.keys import pair_key
from webpairs_core.records import TextSource
from webpairs_crawler.page.elements import MAX_LINKS
from webpairs_crawler.page.extract import Page, PageSource, extract, read_page
from webpairs_crawler.web.urls import join

URL = "http://example.org/a/page.html"
HTML = (("Content-Type", "text/html; charset=utf-8"),)


def page(html: str, *texts: TextSource, headers: tuple[tuple[str, str], ...] = ()) -> Page:
    source = PageSource(
        url=URL, headers=HTML + headers, texts=texts or (TextSource.ALT,), agent="webpairs/0.1"
    )
    return read_page(html.encode(), source)


def the_urls(html: str) -> tuple[str, str]:
    """url and src_url of the only pair of a page, relative to its host."""
    (pair,) = page(html).pairs
    host = "http://example.org"
    return pair.url.removeprefix(host), pair.src_url.removeprefix(host)


# The plain case


def test_img_src_and_alt() -> None:
    read = page(
        '<!doctype html><html lang="pt-BR"><title> A \n title </title>'
        '<img src="../b.jpg" alt=" Ein  Hund &amp; eine\nKatze " width="300" height=200>'
    )
    (pair,) = read.pairs
    assert pair.url == pair.src_url == "http://example.org/b.jpg"
    assert pair.text == "Ein Hund & eine Katze"
    assert pair.text_source is TextSource.ALT
    assert pair.key == pair_key("http://example.org/b.jpg", "Ein Hund & eine Katze")
    assert (pair.page_url, pair.position, pair.page_lang) == (URL, 0, "pt-br")
    assert (pair.declared_width, pair.declared_height) == (300, 200)
    assert pair.context == read.title == "A title"
    assert (pair.found_in, pair.optout, pair.license_url) == ("live", (), "")
    assert (read.n_images, read.unpaired) == (1, {})


def test_extract_is_pure_and_gives_the_same_pairs() -> None:
    html = b'<img src=a.jpg alt="one two"><img src=b.jpg alt=three>'
    pairs = extract(html, URL, HTML)
    assert [pair.text for pair in pairs] == ["one two", "three"]
    assert [pair.position for pair in pairs] == [0, 1]
    assert pairs == extract(html, URL, list(HTML))


def test_when_and_where_come_from_the_source() -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    source = PageSource(url=URL, headers=HTML, fetched_at=when, found_in="a.warc.gz:17")
    (pair,) = read_page(b"<img src=a alt=b>", source).pairs
    assert (pair.fetched_at, pair.found_in) == (when, "a.warc.gz:17")


def test_nothing_is_dropped_that_a_filter_should_judge() -> None:
    texts = page(
        "<img src=i.svg alt=icon><img src=p.gif width=1 height=1 alt=pixel>"
        "<img src=favicon.ico alt=x><nav><img src=logo.png alt=Logo></nav>"
        "<img src=a.jpg alt=same><img src=a.jpg alt=same><noscript><img src=n.jpg alt=n></noscript>"
        "<amp-img src=amp.jpg alt=amp></amp-img>"
    ).pairs
    assert [p.text for p in texts] == ["icon", "pixel", "x", "Logo", "same", "same", "n", "amp"]


@pytest.mark.parametrize(
    "hidden",
    [
        "<!--{}-->",
        "<script>{}</script>",
        "<style>{}</style>",
        "<template>{}</template>",
        "<textarea>{}</textarea>",
        "<a title='{}'>",
    ],
)
def test_what_is_no_element_makes_no_pair(hidden: str) -> None:
    assert page(hidden.format("<img src=a.jpg alt=b>")).n_images == 0


# What makes no pair, and why


@pytest.mark.parametrize(
    ("img", "reason"),
    [
        ("<img src=a.jpg>", "no_text"),
        ("<img src=a.jpg alt>", "no_text"),
        ("<img src=a.jpg alt=' \n&#8203;&#173;'>", "no_text"),
        ("<img>", "no_text"),
        ("<img alt=a>", "no_url"),
        ("<img src='' alt=a>", "no_url"),
        ("<img src=' ' srcset=' , ' alt=a>", "no_url"),
        ("<img src='data:image/gif;base64,R0' alt=a>", "data_url"),
        ("<img srcset='DATA:image/gif;base64,R0 1x' alt=a>", "data_url"),
        ("<img src='javascript:x' alt=a>", "bad_url"),
        ("<img src='http://[' alt=a>", "bad_url"),
        ("<img src='file:///a.jpg' alt=a>", "bad_url"),
        ("<img src='data:,x' data-src='http://a b/c.jpg' alt=a>", "bad_url"),
    ],
)
def test_reasons(img: str, reason: str) -> None:
    read = page(img + "<img src=good.jpg alt=good>")
    assert read.unpaired == {reason: 1}
    assert (read.n_images, len(read.pairs)) == (2, 1)


# Which URL


@pytest.mark.parametrize(
    ("html", "url", "src_url"),
    [
        # srcset: the largest, however written
        ("<img src=s.jpg srcset='m.jpg 640w, l.jpg 1280w, t.jpg 99w' alt=a>", "l.jpg", "s.jpg"),
        ("<img src=s.jpg srcset='a.jpg 1x, b.jpg 2x' alt=a>", "b.jpg", "s.jpg"),
        ("<img srcset='a.jpg 1x, b.jpg 2x' alt=a>", "b.jpg", "b.jpg"),
        ("<img src=s.jpg srcset='http://[ 999w, l.jpg 10w' alt=a>", "l.jpg", "s.jpg"),
        ("<img src=s.jpg srcset='data:,x 9999w' alt=a>", "s.jpg", "s.jpg"),
        ("<img src=s.jpg srcset='bad.jpg 1z' alt=a>", "s.jpg", "s.jpg"),
        # picture
        (
            "<picture><source srcset='w.webp 800w, x.webp 1600w' type=image/webp>"
            "<source srcset='y.jpg 1200w'><img src=s.jpg alt=a></picture>",
            "x.webp",
            "s.jpg",
        ),
        (
            "<picture><source srcset='x.jxl 9000w' type='image/jxl'>"
            "<source srcset='x.svg 9000w' type='image/svg+xml; a=b'>"
            "<img src=s.jpg alt=a></picture>",
            "s.jpg",
            "s.jpg",
        ),
        ("<picture><img src=s.jpg alt=a><source srcset='late.jpg 9w'></picture>", "s.jpg", "s.jpg"),
        # lazy loading
        ("<img src='data:image/gif;base64,R0' data-src=l.jpg alt=a>", "l.jpg", "l.jpg"),
        ("<img data-src=/l.jpg alt=a>", "../l.jpg", "../l.jpg"),
        ("<img src=blank.gif data-original=l.jpg alt=a>", "l.jpg", "l.jpg"),
        ("<img src=/i/spacer.png data-lazy-src=l.jpg alt=a>", "l.jpg", "l.jpg"),
        ("<img src=small.jpg data-large-file=l.jpg alt=a>", "l.jpg", "small.jpg"),
        ("<img src=s.jpg data-srcset='m.jpg 1w, l.jpg 2w' alt=a>", "l.jpg", "s.jpg"),
        ("<img src=s.jpg data-lazy=true data-image=17 data-src='' alt=a>", "s.jpg", "s.jpg"),
        ("<img src=s.jpg data-original='{\"a/b\":1}' alt=a>", "s.jpg", "s.jpg"),
        ("<img src=s.jpg data-src='javascript:/x' alt=a>", "s.jpg", "s.jpg"),
        # a lazy attribute that nobody listed
        ("<img src='data:,x' data-my-full-thing=l.jpg?v=1 alt=a>", "l.jpg?v=1", "l.jpg?v=1"),
        ("<img src=placeholder.png data-hires-image=l.png alt=a>", "l.png", "l.png"),
        ("<img src=s.jpg data-my-full-thing=l.jpg alt=a>", "s.jpg", "s.jpg"),
        # a link to the full size
        ("<a href=full.jpg><span><img alt=a></span></a>", "full.jpg", "full.jpg"),
        ("<a href=full.jpg><img src=thumb.jpg alt=a></a>", "full.jpg", "thumb.jpg"),
    ],
)
def test_choice_of_url(html: str, url: str, src_url: str) -> None:
    expected = (join(URL, url), join(URL, src_url))
    (pair,) = page(html).pairs
    assert (pair.url, pair.src_url) == expected


def test_base_href() -> None:
    assert the_urls("<base href=/x/><img src=a.jpg alt=b>") == ("/x/a.jpg",) * 2
    both = "<base target=_top><base href='http://['><base href=/y/><base href=/z/><img src=a alt=b>"
    assert the_urls(both) == ("/y/a",) * 2


def test_declared_sizes() -> None:
    sizes = ["width=100%", "width=30.9", "width=20px", "width=-3", "width=x", "width=99999999999"]
    pairs = page("".join(f"<img src=a alt=b {size}>" for size in sizes)).pairs
    assert [pair.declared_width for pair in pairs] == [0, 30, 20, 0, 0, 999999]


# Which text


FIGURE = (
    "<figure><div><img src=a.jpg alt='the alt' title='the title' aria-label='the label'></div>"
    "<figcaption>The <b>caption</b>\n of it</figcaption></figure>"
)


def test_each_source_makes_a_pair_of_its_own() -> None:
    pairs = page(FIGURE, *(TextSource(s) for s in ("alt", "figcaption", "title", "aria"))).pairs
    assert [(str(p.text_source), p.text) for p in pairs] == [
        ("alt", "the alt"),
        ("figcaption", "The caption of it"),
        ("title", "the title"),
        ("aria", "the label"),
    ]
    assert [p.position for p in pairs] == [0, 1, 2, 3]
    assert len({p.key for p in pairs}) == 4
    assert [p.text for p in page(FIGURE, TextSource.TITLE).pairs] == ["the title"]


def test_the_nearest_figure_captions_all_its_images() -> None:
    read = page(
        "<figure><figure><img src=a alt=x><figcaption>inner</figcaption></figure>"
        "<img src=b><figcaption>outer</figcaption></figure><img src=c>",
        TextSource.FIGCAPTION,
    )
    assert [p.text for p in read.pairs] == ["inner", "outer"]
    assert read.unpaired == {"no_text": 1}


def test_aria_labelledby() -> None:
    html = "<p id=one>A  red</p><p id=two>door</p><img src=a aria-labelledby='one x two'>"
    assert [p.text for p in page(html, TextSource.ARIA).pairs] == ["A red door"]
    html = "<img src=a aria-label=own aria-labelledby='nothing'>"
    assert [p.text for p in page(html, TextSource.ARIA).pairs] == ["own"]


def test_a_shared_caption_is_cut() -> None:
    html = f"<figure>{'<img src=a>' * 50}<figcaption>{'word ' * 100_000}</figcaption></figure>"
    pairs = page(html, TextSource.FIGCAPTION).pairs
    assert len(pairs) == 50
    assert all(len(p.text) <= 1_000 for p in pairs)


# The page


def test_links() -> None:
    read = page(
        "<a href=b.html>x</a><a href='#top'>y</a><area href=/c><a href=b.html#d>z</a>"
        "<a href='mailto:a@b.c'>m</a><a name=q>n</a><a href='http://other.example/' rel=nofollow>"
    )
    assert read.links == (
        "http://example.org/a/b.html",
        URL,
        "http://example.org/c",
        "http://other.example/",
    )


def test_a_page_may_forbid_to_follow_its_links() -> None:
    link = "<a href=b.html>x</a>"
    assert page(f"<meta name=robots content='noindex, NoFollow'>{link}").links == ()
    assert page(link, headers=(("X-Robots-Tag", "none"),)).links == ()
    assert page(link, headers=(("X-Robots-Tag", "otherbot: none"),)).links != ()


def test_a_link_trap_is_cut() -> None:
    html = "".join(f"<a href=/{i}>x</a>" for i in range(MAX_LINKS + 5))
    assert len(page(html).links) == MAX_LINKS


def test_signals_and_licence_reach_each_pair() -> None:
    read = page(
        "<meta name=robots content=noai><link rel='License' href=/cc><img src=a alt=b>",
        headers=(("tdm-reservation", "1"),),
    )
    (pair,) = read.pairs
    assert pair.optout == read.optout == ("meta-robots:noai@page", "tdm-reservation:1@page")
    assert pair.license_url == "http://example.org/cc"


def test_title_and_language_are_claims_and_may_be_junk() -> None:
    assert len(page(f"<title>{'x' * 9999}</title><img src=a alt=b>").title) == 200
    assert page("<svg><title>not this</title></svg>").title == ""
    assert page("<html lang='<b>'><img src=a alt=b>").lang == ""
    assert page("<html lang=' EN-us '>").lang == "en-us"


def test_text_is_decoded_as_sniffed() -> None:
    html = '<meta charset="euc-kr"><img src=a.jpg alt="빨간 문">'.encode("cp949")
    (pair,) = extract(html, URL, [("content-type", "text/html")])
    assert pair.text == "빨간 문"


@given(st.binary(max_size=300))
def test_any_bytes(html: bytes) -> None:
    read = read_page(html, PageSource(url=URL))
    assert read.n_images == len(read.pairs) + sum(read.unpaired.values())


@given(
    st.lists(
        st.sampled_from(
            [
                "<img src=a alt=b>",
                "<figure>",
                "</figure>",
                "<figcaption>",
                "x",
                "<a href=q>",
                "</a>",
                "<picture>",
                "<source srcset='a 1w'>",
                "<table>",
                "<select>",
                "<svg>",
                "<!--",
                "-->",
                "<p",
                '"',
                "'",
                "<base href=/b>",
                "<title>",
                "<img alt='",
                "\x00",
                "\ud800",
                "<template>",
            ]
        ),
        max_size=30,
    )
)
def test_any_tag_soup(parts: list[str]) -> None:
    html = "".join(parts).encode("utf-8", "surrogatepass")
    texts = (TextSource.ALT, TextSource.FIGCAPTION, TextSource.TITLE, TextSource.ARIA)
    read = read_page(html, PageSource(url=URL, texts=texts))
    n_paired = len({p.position for p in read.pairs if p.text_source is TextSource.ALT})
    assert n_paired + sum(read.unpaired.values()) <= read.n_images


# Real pages


class _Images(HTMLParser):
    """An independent count: img elements by the standard library's parser."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "img" and (names.get("alt") or "").strip() and (names.get("src") or "").strip():
            self.found.append((str(names["src"]), " ".join(str(names["alt"]).split())))


def test_all_images_with_alt_of_the_real_sites_are_found(data_dir: Path) -> None:
    site = data_dir / "site"
    n_found = 0
    for path in sorted(site.rglob("*.html")):
        url = join("http://host/", path.relative_to(site).as_posix()) or ""
        html = path.read_bytes()
        independent = _Images()
        independent.feed(html.decode())
        pairs = extract(html, url, HTML)
        assert [p.src_url for p in pairs] == [join(url, src) for src, _ in independent.found]
        ours = [" ".join(p.text.split()) for p in pairs]
        assert len(ours) == len(independent.found)
        n_found += len(pairs)
    assert n_found >= 3_100  # the pack's README counts 3,137, of which 9 have an empty src


def test_real_archived_pages_are_read(data_dir: Path) -> None:
    """Whole WARC files, cut at their records: old, broken and odd pages."""
    n_pages = n_pairs = 0
    texts = (TextSource.ALT, TextSource.FIGCAPTION, TextSource.TITLE, TextSource.ARIA)
    for path in sorted((data_dir / "warc").glob("wrapped-*.warc.gz")):
        for record in gzip.decompress(path.read_bytes()).split(b"WARC/1.0\r\n"):
            head, _, html = record.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/"):
                continue
            read = read_page(html, PageSource(url=URL, texts=texts))
            n_pages += 1
            n_pairs += len(read.pairs)
    assert n_pages > 150
    assert n_pairs > 1_000


def test_a_link_to_an_rsl_licence_is_a_signal() -> None:
    html = b"<link rel='license' type='application/rsl+xml' href='/rsl.xml'><img src=a alt=b>"
    page = read_page(html, PageSource(url="http://example.org/p"))
    assert page.pairs[0].optout == ("rsl-license:http://example.org/rsl.xml@page",)
