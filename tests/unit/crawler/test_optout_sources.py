"""Content-Usage by the grammar of RFC 9651, RSL licences, and the links that name them."""

import pytest

from webpairs_crawler.optout.content_usage import MAX_CHARACTERS, preferences
from webpairs_crawler.optout.patterns import UrlPath, most_specific
from webpairs_crawler.optout.rsl import read_rsl
from webpairs_crawler.optout.signals import forbids, signals_from_headers, signals_from_links

AGENT = "webpairs/0.1"
ORIGIN = "https://a.example"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train-ai=n", {"train-ai": False}),
        ("train-ai=y, search=n", {"train-ai": True, "search": False}),
        ("  train-ai=n\t,\tsearch=y  ", {"train-ai": False, "search": True}),
        ('train-ai=n;reason="a, b";x, search=y', {"train-ai": False, "search": True}),
        ("train-ai=n, train-ai=y", {"train-ai": True}),  # the last one counts
        # The example of draft-ietf-aipref-vocab: the values that count are no tokens.
        ('train-ai=y, train-ai, search=n, search="n"', {}),
        ("train-ai;allow=n, train-ai=y", {"train-ai": True}),
        ('train-ai;has;parameters="?"', {}),
        ("train-ai=maybe, search=n", {"search": False}),
        ("ai-train=no,search=yes", {"ai-train": False, "search": True}),
        ("unknown=n", {}),
        # Well-formed members of all other kinds change nothing.
        (
            'a=1, b=-2.5, c=:aGk=:, d=?0, e=(x "y" 1;z), f=@1659578233, g=(), train-ai=n',
            {"train-ai": False},
        ),
        ('a=%"f%c3%bc", train-ai=n', {"train-ai": False}),
        # One malformed member makes all of it void.
        ("train-ai=n,", {}),
        ("train-ai=n search=y", {}),
        ("train-ai=n, ,search=y", {}),
        ("Train-AI=n", {}),
        ('train-ai=n, x="open', {}),
        ("train-ai=n, x=(1 2", {}),
        ("train-ai=n, x=\u00fc", {}),
        ("train-ai = n", {}),
        ("train-ai=n;", {}),
        ("", {}),
        ("train-ai=n, x=" + "y" * MAX_CHARACTERS, {}),
    ],
)
def test_preferences(text: str, expected: dict[str, bool]) -> None:
    assert preferences(text) == expected


def test_no_text_takes_long() -> None:
    """Patterns that try one way after another would not end on these."""
    for part in ("a;", "a=(b ", "a=" + "(" * 50, 'a="' + "\\\\", ";a" * 9, "a, ", "*"):
        preferences((part * MAX_CHARACTERS)[:MAX_CHARACTERS])


def test_a_content_usage_header() -> None:
    headers = [("content-usage", "train-ai=n, ai-use=y"), ("Content-Usage", "search=n, train-ai=y")]
    assert signals_from_headers(headers, "image", AGENT) == (
        "content-usage:ai-use=y@image",
        "content-usage:search=n@image",
        "content-usage:train-ai=n@image",
        "content-usage:train-ai=y@image",  # of contradicting statements the prohibition counts
    )
    assert forbids(signals_from_headers(headers, "image", AGENT), "default")
    assert not forbids(signals_from_headers(headers[1:], "image", AGENT), "default")
    assert forbids(signals_from_headers(headers[1:], "image", AGENT), "strict")


def rsl(*contents: str) -> bytes:
    return f'<rsl xmlns="https://rslstandard.org/rsl">{"".join(contents)}</rsl>'.encode()


def content(*licenses: str, url: str = "/", more: str = "") -> str:
    inner = "".join(f"<license>{license}</license>" for license in licenses)
    return f'<content url="{url}" {more}>{inner}</content>'


def terms(body: bytes, path: str = "/a") -> list[str]:
    return most_specific(read_rsl(body, ORIGIN), UrlPath.of(f"{ORIGIN}{path}"))


PERMITS, PROHIBITS = '<permits type="usage">{}</permits>', '<prohibits type="usage">{}</prohibits>'


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        ([], "permitted"),
        ([""], "permitted"),
        ([PERMITS.format("all")], "permitted"),
        ([PERMITS.format("search ai-train")], "permitted"),
        ([PERMITS.format("search,train-ai")], "permitted"),
        ([PERMITS.format("search")], "not_offered"),  # permits is a closed list
        ([PERMITS.format("search"), PERMITS.format("ai-all")], "permitted"),
        ([PROHIBITS.format("ai-train")], "prohibited"),
        ([PROHIBITS.format("search AI-All")], "prohibited"),
        ([PROHIBITS.format("search")], "permitted"),
        ([PERMITS.format("all") + PROHIBITS.format("ai-train")], "prohibited"),
        ([PERMITS.format("all"), PROHIBITS.format("all")], "prohibited"),
        ([PERMITS.format("ai-train") + '<payment type="purchase"/>'], "paid"),
        ([PERMITS.format("ai-train") + '<payment type="attribution"/>'], "permitted"),
        ([PERMITS.format("ai-train") + "<payment/>"], "permitted"),
        (['<payment type="free"/><payment type="training"/>'], "paid"),
        (['<permits type="user">education</permits>'], "permitted"),
        (["<!-- --><?x y?>"], "permitted"),
    ],
)
def test_rsl_terms(licenses: list[str], expected: str) -> None:
    assert terms(rsl(content(*licenses))) == [expected]


def test_a_licence_server_means_ask_first() -> None:
    assert terms(rsl(content(more='server="https://l.example"'))) == ["on_request"]


def test_the_most_specific_content_counts_and_only_of_this_host() -> None:
    body = rsl(
        content(PROHIBITS.format("all")),
        content(url="https://a.example/free/*"),
        content(PROHIBITS.format("all"), url="https://b.example/free/much/longer/*"),
    )
    assert terms(body) == ["prohibited"]
    assert terms(body, "/free/much/longer/1") == ["permitted"]


BOMB = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">{}]><rsl><content url="/&i;"/></rsl>'.format(
    "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'
        for n in range(9)  # 10 ** 10 letters
    )
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>not found</body></html>",
        b"\x00\xff",
        b"<rsl>",
        b"<rsl><content",
        b"<a>" * 100_000,
        BOMB.encode(),
        b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><rsl/>',
        b'<?xml version="1.0" encoding="none"?><rsl/>',
    ],
)
def test_malformed_and_hostile_licences_say_nothing(body: bytes) -> None:
    found = read_rsl(body, ORIGIN)
    assert all(says == "permitted" for _, says in found)
    assert all(pattern.length < 100 for pattern, _ in found)


def test_no_file_is_read_for_an_entity() -> None:
    body = b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><rsl><content url="/">'
    body += b'<license><permits type="usage">search &x;</permits></license></content></rsl>'
    assert terms(body) == ["not_offered"]


def test_links_that_name_a_licence() -> None:
    kind = "application/rsl+xml"
    links = [
        ("license", kind, "https://a.example/l.xml"),
        ("LICENSE nofollow", f" {kind.upper()} ", "https://a.example/m.xml"),
        ("license", "text/html", "https://creativecommons.org/licenses/by/4.0/"),
        ("stylesheet", kind, "https://a.example/s.xml"),
    ]
    found = ("rsl-license:https://a.example/l.xml@page", "rsl-license:https://a.example/m.xml@page")
    assert signals_from_links(links) == found
    assert not forbids(found, "strict")
    header = (
        f'<https://a.example/s.css>; rel=preload, <https://a.example/l.xml>; rel="license"; '
        f'type="{kind}", <https://a.example/m.xml>;rel=license;type={kind}; title="a, b"'
    )
    assert signals_from_headers([("Link", header)], "page", AGENT) == found
