"""URLs of a length that nobody uses, but who wants to waste our time."""

from pathlib import Path

from crawls import IMG, Crawl, html
from hostile_web import HostileWeb, answer, redirect
from webpairs_crawler.web.urls import MAX_CHARACTERS, canonical, join

BASE = "http://a.example/folder/page"
ROOM = MAX_CHARACTERS - len("http://a.example/")


def test_the_longest_url_is_one_and_a_longer_one_is_none() -> None:
    for letter in ("a", "\u00e4"):  # by the rule for plain references, and by the parser
        n_encoded = len(canonical(f"http://a.example/{letter}") or "") - len("http://a.example/")
        longest = letter * (ROOM // n_encoded) + "a" * (ROOM % n_encoded)
        for path, is_url in ((longest, True), (longest + "a", False)):
            url = canonical(f"http://a.example/{path}")
            assert (url is not None) is is_url
            assert join(BASE, f"/{path}") == url == join(f"{BASE}#{'x' * 9999}", f"/{path}")
    assert join(BASE, "/a#" + "x" * MAX_CHARACTERS) == "http://a.example/a"


def test_rules_and_urls_made_to_meet_stop_no_crawl(tmp_path: Path) -> None:
    # 31,000 searches in a URL of a million characters took 53 s.
    long = "/" + "a" * 1_000_000
    routes = {
        "/robots.txt": answer(b"User-agent: *\n" + b"Disallow: /*a*zz\n" * 29_000),
        "/": html(f"{IMG}<img src='{long}.jpg' alt='a blue door'><a href='{long}'><a href=/b>"),
        "/b": redirect("/" + "a" * 60_000),
    }
    with HostileWeb(routes) as web:
        crawl = Crawl(tmp_path, web.url("/"))
        assert crawl.outcomes(web) == {"/": "ok", "/b": "protocol"}
    assert [row["url"] for row in crawl.rows("pairs")] == [web.url("/i.jpg")]
    assert dict(crawl.rows("pages")[0]["unpaired"]) == {"bad_url": 1}
