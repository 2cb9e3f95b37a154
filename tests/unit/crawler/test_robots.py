"""RFC 9309: statuses, sizes, and the cases of Google's matcher that protego alone gets wrong."""

import pytest

from webpairs_crawler.optout.robots import MAX_BYTES, Rules, product_token

URL = "https://example.org/a/b.jpg"


def allows(body: str, agent: str = "webpairs/0.1 (+https://bot.example)", url: str = URL) -> bool:
    return Rules.from_response(200, body.encode()).allows(agent, url)


@pytest.mark.parametrize(
    ("status", "is_allowed"),
    [(404, True), (403, True), (301, True), (429, False), (500, False), (503, False)],
)
def test_the_status_decides_without_a_body(status: int, is_allowed: bool) -> None:
    rules = Rules.from_response(status, b"User-agent: *\nDisallow: /")
    assert rules.allows("webpairs", URL) is is_allowed


def test_an_unreachable_robots_txt_forbids_all() -> None:
    assert not Rules.unreachable().allows("webpairs", URL)
    assert Rules.unreachable().crawl_delay("webpairs") is None


@pytest.mark.parametrize(
    ("body", "is_allowed"),
    [
        ("", True),
        ("User-agent: *\nDisallow:", True),
        ("User-agent: *\nDisallow: /", False),
        ("User-agent: *\nDisallow: /a", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", True),
        ("User-agent: *\nDisallow: /*.jpg$", False),
        ("User-agent: *\nDisallow: /*.png$", True),
        ("User-agent: *\nDisallow: /\nUser-agent: webpairs\nDisallow: /x", True),
        ("User-agent: WebPairs\nDisallow: /", False),
        ("User-agent: web\nDisallow: /", True),
        # the contact in our User-Agent is no name
        ("User-agent: bot\nDisallow: /", True),
        # Google: the name ends at the first blank or slash
        ("User-agent: webpairs bot\nDisallow: /", False),
        ("User-agent: webpairs/2.0\nDisallow: /", False),
        # Google: an unknown line does not split a group
        ("User-agent: webpairs\nUnicorn: yes\nUser-agent: other\nDisallow: /", False),
        ("User-agent: webpairs\nSitemap: https://x/\nUser-agent: other\nDisallow: /", False),
        # RFC 9309 §2.2.2: one form of percent-encoding
        ("User-agent: *\nDisallow: /%61/", False),
        ("\ufeffUser-agent: *\nDisallow: /", False),
        ("User-agent: *\rDisallow: /", False),
        ("user-agent:*#all\nDISALLOW:/ # everything", False),
        ("User-agent: *\nDissallow: /", False),
        ("User agent *\nDisallow /", False),
        ("User-agent: webpairs-images\nDisallow: /", True),
        ("User-agent: *bot*\nDisallow: /", True),
        ("<html><body>Disallow: /</body></html>", True),
    ],
)
def test_rules(body: str, is_allowed: bool) -> None:
    assert allows(body) is is_allowed


@pytest.mark.parametrize("path", ["/ツ", "/%E3%83%84", "/%e3%83%84"])
def test_encoded_and_bare_letters_are_one(path: str) -> None:
    for url in ("https://x.example/ツ", "https://x.example/%E3%83%84"):
        assert not allows(f"User-agent: *\nDisallow: {path}", url=url)


def test_what_lies_beyond_the_cap_is_not_read_and_half_a_line_neither() -> None:
    filler = "User-agent: *\n" + "# filler\n" * (MAX_BYTES // 9)
    beyond = filler.ljust(MAX_BYTES, "#") + "\nDisallow: /a\n"
    assert allows(beyond)
    cut = ("User-agent: *\n#" + "x" * (MAX_BYTES - 14 - 1 - 1 - 12) + "\nDisallow: /a/c").encode()
    assert cut[:MAX_BYTES].endswith(b"Disallow: /a")
    assert Rules.from_response(200, cut).allows("webpairs", URL)


def test_crawl_delay_is_read_for_our_group() -> None:
    rules = Rules.from_response(200, b"User-agent: webpairs\nCrawl-delay: 2.5\n")
    assert rules.crawl_delay("webpairs/0.1") == 2.5
    assert rules.crawl_delay("other") is None


def test_bytes_that_are_no_text_do_no_harm() -> None:
    rules = Rules.from_response(200, b"\xff\xfe\x00User-agent: *\n\x80Disallow: /\n")
    assert isinstance(rules.allows("webpairs", URL), bool)


@pytest.mark.parametrize(
    ("agent", "token"),
    [("webpairs/0.1 (+https://bot.example)", "webpairs"), ("me", "me"), ("", ""), ("a b", "a")],
)
def test_product_token(agent: str, token: str) -> None:
    assert product_token(agent) == token
