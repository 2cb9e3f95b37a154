"""Whatever bytes come, sitemaps and licences are read without an exception, and give valid URLs."""

import gzip

from hypothesis import example, given, settings
from hypothesis import strategies as st

from webpairs_core.records import TextSource
from webpairs_crawler.optout.rsl import read_rsl
from webpairs_crawler.optout.site_files import read_tdmrep, read_trust_txt
from webpairs_crawler.page.extract import PageSource
from webpairs_crawler.page.sitemap import read_sitemap

SOURCE = PageSource(
    url="https://a.example/sitemap.xml", texts=(TextSource.TITLE, TextSource.FIGCAPTION)
)
SITEMAP = (
    b'<?xml version="1.0"?><urlset xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">'
    b"<!-- c --><url><loc>http://a.example/?x=1&amp;y=&eacute;</loc><image:image>"
    b"<image:loc>/i.jpg</image:loc><image:title>A <![CDATA[cat]]></image:title>"
    b"<image:license>/l</image:license></image:image></url></urlset>"
)
RSL = (
    b'<!DOCTYPE x [<!ENTITY a "b">]><rsl xmlns="https://rslstandard.org/rsl"><content url="/x&a;">'
    b'<license><permits type="usage">search</permits><payment type="x"/></license></content></rsl>'
)
BITS = st.sampled_from(
    [
        *(
            b"<",
            b">",
            b"&",
            b"]]>",
            b"<![CDATA[",
            b"\0",
            b"\xff",
            b"<!--",
            b"-->",
            b"'",
            b'"',
            b"<?",
        ),
        *(
            b"<url>",
            b"</url>",
            b"<sitemap>",
            b"</image:image>",
            b"&#0;",
            b"&#xd800;",
            b"\xed\xa0\x80",
        ),
        *(b"xmlns:image='&#xd800;'", b"<!DOCTYPE", b"\xef\xbb\xbf", b"\xff\xfe", b"%", b"*", b"$"),
    ]
)
EDITS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 12), BITS), max_size=5)


def edited(body: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for at, n_cut, put in edits:
        body = body[:at] + put + body[at + n_cut :]
    return body


@given(EDITS, st.booleans())
@settings(max_examples=300, deadline=None)
@example([(21, 12, b"<urlset xmlns:image='&#xd800;' ")], False)
@example([(22, 0, b"\xed\xa0\x80")], False)
def test_a_damaged_sitemap_gives_urls_or_nothing(
    edits: list[tuple[int, int, bytes]], is_packed: bool
) -> None:
    body = edited(SITEMAP, edits)
    found = read_sitemap(gzip.compress(body) if is_packed else body, SOURCE)
    pairs = found.page.pairs
    for url in (*found.page.links, *found.sitemaps, *(pair.url for pair in pairs)):
        assert url.startswith(("http://", "https://"))
        assert url.isascii()
    assert all(pair.text.encode() for pair in pairs)  # no half surrogates: they cannot be stored


@given(EDITS)
@settings(max_examples=300, deadline=None)
@example([(52, 0, b"\xed\xa0\x80")])
@example([(60, 30, b" xmlns:x='&#xd800;'>")])
def test_a_damaged_licence_gives_terms_or_nothing(edits: list[tuple[int, int, bytes]]) -> None:
    for pattern, terms in read_rsl(edited(RSL, edits), "https://a.example"):
        assert terms in {"permitted", "prohibited", "paid", "not_offered", "on_request"}
        assert pattern.matches("/x") in {True, False}


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    read_sitemap(body, SOURCE)
    read_sitemap(b"<" + body, SOURCE)
    read_rsl(body, "https://a.example")
    read_tdmrep(body)
    assert read_trust_txt(body) in {"", "yes", "no"}
