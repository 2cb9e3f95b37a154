"""What the live crawl asks of a site first, what it does when the site says: later."""

import asyncio
import time
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from scrapy.settings import Settings

from crawls import HTML, IMG, Crawl, html, links
from hostile_web import Answer, HostileWeb, Request, answer
from webpairs_core.errors import CrawlError
from webpairs_core.records import Outcome
from webpairs_crawler.live import failures
from webpairs_crawler.live.addon import WebpairsAddon


def then(*answers: Answer) -> Answer:
    """One answer after the other; the last one stays."""
    left = list(answers)

    async def send(request: Request) -> bool | None:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return send


def test_what_can_heal_is_asked_again(tmp_path: Path) -> None:
    async def reset(request: Request) -> None:
        request.reset()

    async def hang(request: Request) -> None:
        await asyncio.sleep(60)

    busy, broken = answer(b"", "429 Slower"), answer(b"", "500 Oops")
    routes = {
        "/": links("/busy", "/broken", "/cut", "/slow", "/never", "/gone"),
        "/busy": then(busy, html(IMG)),
        "/broken": then(broken, broken, html(IMG)),
        "/cut": then(answer(b"<p>", length=99, headers=HTML), html(IMG)),
        "/slow": then(hang, html(IMG)),
        "/never": broken,
        "/reset": reset,
    }
    with HostileWeb(routes) as web:
        crawl = Crawl(tmp_path, web.url("/"), retries=2, timeout_s=1.0)
        outcomes = crawl.outcomes(web)
        assert outcomes.pop("/never") == "http_5xx"
        assert outcomes.pop("/gone") == "http_4xx"
        assert set(outcomes.values()) == {"ok"}
        counts = {path: web.count(path) for path in routes if path != "/reset"}
    assert counts == {"/": 1, "/busy": 2, "/broken": 3, "/cut": 2, "/slow": 2, "/never": 3}


def test_retry_after_holds_the_whole_host(tmp_path: Path) -> None:
    asked: list[tuple[str, float]] = []

    def logged(path: str, send: Answer) -> Answer:
        async def log(request: Request) -> bool | None:
            asked.append((path, time.monotonic()))
            return await send(request)

        return log

    busy = answer(b"", "503 Busy", ("Retry-After: 2",))
    routes = {"/": links("/a", "/b"), "/a": then(busy, html(IMG)), "/b": html(IMG)}
    with HostileWeb({path: logged(path, send) for path, send in routes.items()}) as web:
        crawl = Crawl(tmp_path, web.url("/"), retries=1, per_host=1)
        assert set(crawl.outcomes(web).values()) == {"ok"}
    assert sorted(path for path, _ in asked) == ["/", "/a", "/a", "/b"]
    (first,) = [i for i, (path, _) in enumerate(asked) if path == "/a"][:1]
    assert all(at - asked[first][1] >= 1.9 for _, at in asked[first + 1 :])


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("3", 3, 3),
        (" 12 ", 12, 12),
        ("86400", failures.MAX_RETRY_AFTER_S, failures.MAX_RETRY_AFTER_S),
        ("9" * 400, failures.MAX_RETRY_AFTER_S, failures.MAX_RETRY_AFTER_S),
        ("Wed, 99 Foo 2020 00:00:00 GMT", 0, 0),
        ("", 0, 0),
        ("-5", 0, 0),
        ("soon", 0, 0),
        ("\u0663", 0, 0),
    ],
)
def test_retry_after_is_read_as_http_writes_it(value: str, least: float, most: float) -> None:
    assert least <= failures.retry_after_s(value) <= most


def test_retry_after_may_be_a_date() -> None:
    later, earlier = (formatdate(time.time() + s, usegmt=True) for s in (100, -100))
    assert 90 <= failures.retry_after_s(later) <= 101
    assert failures.retry_after_s(earlier) == 0


def test_pauses_double() -> None:
    assert [failures.pause_before(n) for n in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]
    assert failures.pause_before(50) == 60.0


def test_crawl_delay_spaces_the_pages(tmp_path: Path) -> None:
    asked: list[float] = []

    async def logged(request: Request) -> bool | None:
        asked.append(time.monotonic())
        return await html(IMG)(request)

    robots = answer(b"User-agent: *\nCrawl-delay: 0.4")
    routes = {"/robots.txt": robots, **{f"/{i}": logged for i in range(5)}}
    with HostileWeb(routes) as web:
        Crawl(tmp_path, *[web.url(f"/{i}") for i in range(5)], per_host=4)
    assert len(asked) == 5
    # 0.35: the requests leave 0.4 s apart, what lies between them and the server may shrink.
    assert all(b - a >= 0.35 for a, b in pairwise(asked))


def test_a_site_that_opts_out_is_not_read(tmp_path: Path) -> None:
    reserved = b'[{"location": "/art/*", "tdm-reservation": 1}]'
    json = ("Content-Type: application/json",)
    routes = {
        "/robots.txt": answer(b"User-agent: GPTBot\nDisallow: /no-ai"),
        "/.well-known/tdmrep.json": answer(reserved, headers=json),
        "/": links("/art/1", "/no-ai", "/free"),
        **dict.fromkeys(("/art/1", "/no-ai", "/free"), html(IMG)),
    }
    with HostileWeb(routes) as web:
        crawl = Crawl(tmp_path / "default", web.url("/"), site_files=("tdmrep",))
        assert crawl.outcomes(web) == {
            "/": "ok",
            "/art/1": "opted_out",
            "/no-ai": "opted_out",
            "/free": "ok",
        }
        assert "/art/1" not in web.paths
        seen = Crawl(tmp_path / "report", web.url("/"), site_files=("tdmrep",), optout="report")
        assert set(seen.outcomes(web).values()) == {"ok"}
        optout = {r["page_url"].removeprefix(web.url("")): r["optout"] for r in seen.rows("pairs")}
    assert optout["/free"] == optout["/"] == []
    assert optout["/no-ai"] == ["robots:gptbot@page"]
    assert any(signal.startswith("tdmrep:1@page") for signal in optout["/art/1"])


def test_sitemaps_of_the_seeds_lead_to_pages_and_pairs(tmp_path: Path) -> None:
    with HostileWeb({}) as web:
        index = f"<sitemapindex><sitemap><loc>{web.url('/map.xml')}</loc></sitemap></sitemapindex>"
        pages = (
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
            ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">'
            f"<url><loc>{web.url('/hidden')}</loc><image:image>"
            f"<image:loc>{web.url('/from-map.jpg')}</image:loc><image:title>a green gate"
            "</image:title></image:image></url></urlset>"
        )
        xml = ("Content-Type: application/xml",)
        web.routes |= {
            "/robots.txt": answer(b"Sitemap: /index.xml"),
            "/index.xml": answer(index.encode(), headers=xml),
            "/map.xml": answer(pages.encode(), headers=xml),
            "/": html(IMG),
            "/hidden": html(IMG),
        }
        crawl = Crawl(tmp_path / "on", web.url("/"), max_pages=2, texts=("alt", "title"))
        assert crawl.outcomes(web) == {
            "/": "ok",
            "/index.xml": "sitemap",
            "/map.xml": "sitemap",
            "/hidden": "ok",
        }
        pairs = {(r["text"], r["url"].removeprefix(web.url(""))) for r in crawl.rows("pairs")}
        assert ("a green gate", "/from-map.jpg") in pairs
        (funnel,) = crawl.made.funnels
        assert (funnel.kept, funnel.rejected) == (2, {"sitemap": 2})
        assert set(Crawl(tmp_path / "off", web.url("/"), sitemaps=False).outcomes(web)) == {"/"}


def test_from_is_sent_when_the_contact_is_an_address(tmp_path: Path) -> None:
    heads: list[dict[str, str]] = []

    async def look(request: Request) -> bool | None:
        heads.append(request.headers)
        return await html(IMG)(request)

    with HostileWeb({"/": look}) as web:
        Crawl(tmp_path, web.url("/"), contact="me@site.example")
    assert [head.get("from") for head in heads] == ["me@site.example"]


@pytest.mark.parametrize(
    "contact",
    ["", "https://site.example/", "https://me@site.example/", "me", "@", "a b@c", "<a@b>"],
)
def test_from_is_not_sent_when_it_is_none(contact: str) -> None:
    settings = Settings({"WEBPAIRS_CRAWL": {"contact": contact}})
    WebpairsAddon().update_settings(settings)
    assert "From" not in settings.getdict("DEFAULT_REQUEST_HEADERS")
    assert contact in settings["USER_AGENT"]


def test_a_robots_txt_that_heals_does_not_cost_the_site(tmp_path: Path) -> None:
    broken = answer(b"", "503 Busy")
    allow = answer(b"User-agent: *\nAllow: /")
    with HostileWeb({"/robots.txt": then(broken, allow), "/": html(IMG)}) as web:
        assert Crawl(tmp_path, web.url("/"), retries=1).outcomes(web) == {"/": "ok"}
    assert web.paths == ["/robots.txt", "/robots.txt", "/"]


def test_an_endless_robots_txt_is_cut(tmp_path: Path) -> None:
    async def endless(request: Request) -> None:
        line = b"Disallow: /no\n"
        await request.send(b"HTTP/1.1 200 OK\r\n\r\nUser-agent: *\n" + line)
        await request.send(*[b"# comment\n" * 1000] * 200, pause_s=0.001)
        await asyncio.sleep(30)

    with HostileWeb({"/robots.txt": endless, "/": links("/no"), "/no": html(IMG)}) as web:
        crawl = Crawl(tmp_path, web.url("/"), timeout_s=20.0)
        assert crawl.outcomes(web) == {"/": "ok", "/no": "robots"}


def test_a_redirect_of_robots_txt_to_a_private_place_is_refused(tmp_path: Path) -> None:
    with HostileWeb({"/": html(IMG)}, host="127.0.0.3") as private:
        target = f"Location: {private.url('/')}"
        routes = {"/robots.txt": answer(b"", "302 Found", (target,)), "/": html(IMG)}
        with HostileWeb(routes) as web:
            values: dict[str, Any] = {"private_networks": ("127.0.0.1/32",)}
            with pytest.raises(CrawlError, match="its address is private"):
                Crawl(tmp_path, web.url("/"), **values)
        assert private.n_connections == 0


def test_outcomes_that_can_heal() -> None:
    healing = {outcome for outcome in Outcome if failures.can_heal(outcome)}
    assert healing == {"dns", "connect", "timeout", "protocol", "http_5xx"}
    assert failures.can_heal(None, 429)
    assert not failures.can_heal(Outcome.HTTP_4XX, 404)
