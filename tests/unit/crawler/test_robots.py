"""RFC 9309 and Google's published cases; the groups and lines that speak of AI training."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from webpairs_crawler.optout.robots import MAX_BYTES, MAX_LINE, Rules, product_token

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


GOOGLE = tomllib.loads((Path(__file__).parent / "google_robots.toml").read_text("utf-8"))["case"]


@pytest.mark.parametrize("case", GOOGLE, ids=[f"{i}-{c['name']}" for i, c in enumerate(GOOGLE)])
def test_googles_published_cases(case: dict[str, Any]) -> None:
    rules = Rules.from_response(200, case["robots"].encode())
    for is_allowed, word in ((True, "allowed"), (False, "refused")):
        for agent, urls in case.get(word, {}).items():
            for url in urls:
                assert rules.allows(agent, url) is is_allowed, (agent, url)


def test_all_of_googles_cases_are_here() -> None:
    answers = [case.get(word, {}).values() for case in GOOGLE for word in ("allowed", "refused")]
    assert sum(len(urls) for some in answers for urls in some) == 140  # and the five below


def test_a_line_is_cut_where_google_cuts_it() -> None:
    path = "/x/".ljust(MAX_LINE + 1 - len("disallow: ") - 2, "a")
    cut = f"user-agent: FooBot\ndisallow: {path}/qux\n"
    assert allows(cut, "FooBot", "http://foo.bar/fux")
    assert not allows(cut, "FooBot", f"http://foo.bar{path}/fux")
    path_a = "/x/".ljust(MAX_LINE + 1 - len("allow: ") - 2, "a")
    path_b = path_a.replace("a", "b")
    body = f"user-agent: FooBot\ndisallow: /\nallow: {path_a}/qux\nallow: {path_b}/qux\n"
    assert not allows(body, "FooBot", "http://foo.bar/")
    assert allows(body, "FooBot", f"http://foo.bar{path_a}/qux")
    assert allows(body, "FooBot", f"http://foo.bar{path_b}/fux")


@pytest.mark.parametrize(
    ("path", "url", "is_allowed"),
    [
        # RFC 9309 §2.2.3: a star or dollar of a URL is written encoded
        ("/file-with-a-%2A.html", "https://x.example/file-with-a-*.html", False),
        ("/foo-%24", "https://x.example/foo-$", False),
        ("/foo-$bar", "https://x.example/foo-$bar", False),
        ("/a%2Fb", "https://x.example/a/b", True),  # a reserved character is another one
        ("/a%2fb", "https://x.example/a%2Fb", False),
        ("/%7Ejoe", "https://x.example/~joe", False),
        ("/caf\u00e9", "https://x.example/caf%C3%A9", False),
        ("*.jpg", "https://x.example/a.jpg?x", False),
        ("*.jpg$", "https://x.example/a.jpg?x", True),
        ("/a**b", "https://x.example/a--b", False),
        ("/a*a$", "https://x.example/a", True),  # the two may not share a letter
        ("/", "https://x.example/robots.txt", True),  # §2.2.2
        ("/", "https://x.example", False),
        ("/?q", "https://x.example?q=1", False),
    ],
)
def test_a_disallowed_path(path: str, url: str, is_allowed: bool) -> None:
    assert allows(f"User-agent: *\nDisallow: {path}", url=url) is is_allowed


def test_a_latin_1_file_still_forbids() -> None:
    body = "User-agent: *\nDisallow: /caf\u00e9".encode("latin-1")
    assert not Rules.from_response(200, body).allows("webpairs", "https://x.example/caf%E9")


NAMED = b"""
License: https://x.example/first.xml
Sitemap: /one.xml
User-agent: CCBot
User-agent: GPTBot
Disallow: /art
Sitemap: https://x.example/two.xml
User-agent: gptbot
Allow: /art/free
User-agent: *
Disallow: /private
License: /second.xml
License: /second.xml
"""


def test_an_agent_named_and_one_that_is_not() -> None:
    rules = Rules.from_response(200, NAMED)
    art, free = "https://x.example/art/1", "https://x.example/art/free/1"
    assert rules.names("CCBot/2.0 (+x)")
    assert rules.names("ccbot")
    assert not rules.names("webpairs")
    agents = ("CCBot", "webpairs", "GPTBot/1.0")
    assert rules.forbids_named(agents, art) == ("CCBot", "GPTBot/1.0")
    assert rules.forbids_named(agents, free) == ("CCBot",)
    assert rules.forbids_named(agents, "https://x.example/private") == ()
    assert rules.allows("webpairs", art)
    assert not rules.allows("webpairs", "https://x.example/private")
    assert rules.sitemaps == ("/one.xml", "https://x.example/two.xml")
    assert rules.licenses == ("https://x.example/first.xml", "/second.xml")


def test_groups_that_speak_of_nobody_here_are_forgotten() -> None:
    groups = "".join(f"User-agent: bot-{n}\nDisallow: /{n}\n" for n in range(100))
    rules = Rules.from_response(200, f"{groups}User-agent: *\nDisallow: /x".encode())
    n_bytes = rules.n_bytes
    rules.keep_only(["webpairs/0.1", "bot-7"])
    assert rules.n_bytes < n_bytes / 40
    assert rules.forbids_named(["bot-7", "bot-8"], "https://x.example/7") == ("bot-7",)
    assert not rules.allows("webpairs", "https://x.example/x")


def test_content_usage_goes_by_the_longest_path() -> None:
    # The example of draft-ietf-aipref-attach, with a line of an older draft and one of Cloudflare.
    body = (
        "User-Agent: *\nAllow: /\nDisallow: /never/\nContent-Usage: / train-ai=n\n"
        "Content-Usage: /ai-ok/\ttrain-ai=y\nContent-Usage: /ai-ok/ search=n\n\n"
        "User-Agent: ExampleBot\nAllow: /\nContent-Usage: train-ai=y\n"
        "Content-Signal: Search=YES,ai-train=No\n"
    )
    rules = Rules.from_response(200, body.encode())
    test, is_ok = "https://x.example/test", "https://x.example/ai-ok/test"
    assert rules.content_usage("webpairs", test) == (("content-usage", "train-ai=n"),)
    assert rules.content_usage("webpairs", is_ok) == (
        ("content-usage", "train-ai=y"),
        ("content-usage", "search=n"),
    )
    assert rules.content_usage("ExampleBot/1", test) == (
        ("content-usage", "train-ai=y"),
        ("content-signal", "search=yes,ai-train=no"),
    )
    assert Rules.unreachable().content_usage("webpairs", test) == ()


@pytest.mark.parametrize("value", ["soon", "", "-1", "inf", "nan", "1e999"])
def test_a_crawl_delay_that_is_none(value: str) -> None:
    body = f"User-agent: *\nCrawl-delay: {value}\nDisallow: /x"
    assert Rules.from_response(200, body.encode()).crawl_delay("webpairs") is None


def test_a_hostile_pattern_is_searched_once() -> None:
    """A matcher that goes back would not end: 2 ** 40 ways to share out the letters."""
    body = "User-agent: *\nDisallow: /" + "a*" * 8000 + "b$\nDisallow: /" + "*a" * 8000 + "$\n"
    rules = Rules.from_response(200, body.encode())
    assert rules.allows("webpairs", "https://x.example/" + "a" * 7_900)
    assert rules.allows("webpairs", "https://x.example/" + "ab" * 3_000 + "c")
    assert not rules.allows("webpairs", "https://x.example/" + "ab" * 8_001)
