"""URLs as browsers read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpairs_crawler.web.urls import canonical, host_of, join, origin_of, registrable_domain

BASE = "http://example.org/a/b?c"


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("d.jpg", "http://example.org/a/d.jpg"),
        ("/d.jpg", "http://example.org/d.jpg"),
        ("//cdn.example/d.jpg", "http://cdn.example/d.jpg"),
        ("?e", "http://example.org/a/b?e"),
        ("", "http://example.org/a/b?c"),
        ("#frag", "http://example.org/a/b?c"),
        ("d.jpg#frag?x", "http://example.org/a/d.jpg"),
        ("  d.jpg\n", "http://example.org/a/d.jpg"),
        ("d\te\nf.jpg", "http://example.org/a/def.jpg"),
        ("\\d\\e.jpg", "http://example.org/d/e.jpg"),
        ("../../../d.jpg", "http://example.org/d.jpg"),
        ("./%2e%2e/d.jpg", "http://example.org/d.jpg"),
        ("HTTP://EXAMPLE.ORG:80/D", "http://example.org/D"),
        ("https://example.org:443/", "https://example.org/"),
        ("https:/x.example", "https://x.example/"),
        ("http:d.jpg", "http://example.org/a/d.jpg"),
        ("한국 어.jpg", "http://example.org/a/%ED%95%9C%EA%B5%AD%20%EC%96%B4.jpg"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://user:secret@example.org/d", "http://example.org/d"),
        ("http://a@b@c.example/d", "http://c.example/d"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://①②⑦.⓪.⓪.①/", "http://127.0.0.1/"),
        ("http://[0:0::1]:8080/", "http://[::1]:8080/"),
        ("http://example.org/?q=a@b", "http://example.org/?q=a@b"),
    ],
)
def test_join(href: str, expected: str) -> None:
    assert join(BASE, href) == expected


@pytest.mark.parametrize(
    "href",
    [
        "data:image/png;base64,AA",
        "javascript:void(0)",
        "mailto:a@b.example",
        "blob:http://a/b",
        "ftp://a.example/b",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http://a b/",
        "http://a.example:99999/",
        "http://exa%00mple/",
        "tel:1",
        "about:blank",
        "http://\ud800/",
    ],
)
def test_what_is_no_web_url_joins_to_none(href: str) -> None:
    assert join(BASE, href) is None


def test_canonical_takes_absolute_urls_only() -> None:
    assert canonical("HTTPS://Example.org/ä#x") == "https://example.org/%C3%A4"
    assert canonical("example.org") is None
    assert canonical("/a") is None
    assert canonical("") is None


@given(st.text(max_size=40))
def test_a_joined_url_is_canonical_and_stable(href: str) -> None:
    joined = join(BASE, href)
    if joined is not None:
        assert canonical(joined) == joined
        assert join(BASE, joined) == joined
        assert "#" not in joined
        assert host_of(joined)


def test_parts() -> None:
    assert host_of("http://example.org:8080/a@b:c") == "example.org"
    assert host_of("http://[::1]:8080/") == "[::1]"
    assert origin_of("http://example.org:8080/a/b") == "http://example.org:8080"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.b.example.co.uk/x", "example.co.uk"),
        ("www.example.com", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("http://someone.github.io/x", "someone.github.io"),
        ("http://127.0.0.2:8471/", "127.0.0.2"),
        ("http://[::1]:80/", "[::1]"),
        ("localhost", "localhost"),
        ("co.uk", "co.uk"),
    ],
)
def test_registrable_domain(url: str, expected: str) -> None:
    assert registrable_domain(url) == expected
