"""What a site asks, over real sockets: the files, their life in the cache, and their failures."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
import pytest

from hostile_web import Answer, HostileWeb, Request, answer, redirect
from webpairs_core.records import Outcome
from webpairs_crawler.options import CrawlSection
from webpairs_crawler.optout import site as sites_module
from webpairs_crawler.optout.robots import MAX_BYTES
from webpairs_crawler.optout.site import FAILURE_LIFE_S, LIFE_S, Get, Site, SiteAnswer, Sites

T = TypeVar("T")
ROBOTS, TDMREP, AI, TRUST = "/robots.txt", "/.well-known/tdmrep.json", "/ai.txt", "/trust.txt"
ALL_FILES = CrawlSection(site_files=("tdmrep", "rsl", "ai_txt", "trust_txt"))


class Clock:
    """A day passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def getter(session: aiohttp.ClientSession) -> Get:
    """The contract of `Get` in its shortest form."""

    async def get(url: str, max_bytes: int) -> SiteAnswer | Outcome:
        try:
            async with session.get(url, max_redirects=5) as response:
                body = b""
                async for chunk in response.content.iter_chunked(65_536):
                    body += chunk
                    if len(body) >= max_bytes:
                        break
                headers = tuple(response.headers.items())
                return SiteAnswer(response.status, body[:max_bytes], headers)
        except aiohttp.TooManyRedirects:
            return Outcome.TOO_MANY_REDIRECTS
        except aiohttp.ClientError:
            return Outcome.CONNECT

    return get


def with_sites(
    use: Callable[[Sites, Clock], Awaitable[T]], section: CrawlSection | None = None
) -> T:
    async def run() -> T:
        clock = Clock()
        async with aiohttp.ClientSession(headers={"User-Agent": "webpairs"}) as session:
            return await use(Sites(getter(session), section or CrawlSection(), clock), clock)

    return asyncio.run(run())


def site_of(routes: dict[str, Answer], section: CrawlSection | None = None) -> tuple[Site, str]:
    """The site that these files make, and its origin."""
    with HostileWeb(routes) as web:
        origin = web.url("")
        found = with_sites(lambda sites, _: sites.of(f"{origin}/a"), section)
        assert isinstance(found, Site)
        return found, origin


def test_a_site_without_files_allows_all() -> None:
    site, origin = site_of({}, ALL_FILES)
    assert site.refusal(f"{origin}/a") is None
    assert site.signals(f"{origin}/a", "image") == ()
    assert site.crawl_delay_s is None
    assert site.sitemaps == ()


def test_robots_txt_for_us_for_ai_agents_and_beside() -> None:
    body = (
        b"User-agent: *\nDisallow: /private\nCrawl-delay: 2\n"
        b"User-agent: GPTBot\nUser-agent: Bytespider\nDisallow: /art\n"
        b"Sitemap: /map.xml\nSitemap: https://other.example/map.xml\nSitemap: /map.xml\n"
    )
    site, origin = site_of({ROBOTS: answer(body)})
    assert site.refusal(f"{origin}/private/1") is Outcome.ROBOTS
    assert site.refusal(f"{origin}/art/1") is Outcome.OPTED_OUT
    assert site.refusal(f"{origin}/free") is None
    assert site.signals(f"{origin}/art/1", "image") == (
        "robots:bytespider@image",
        "robots:gptbot@image",
    )
    assert site.crawl_delay_s == 2
    assert site.sitemaps == (f"{origin}/map.xml", "https://other.example/map.xml")


@pytest.mark.parametrize(
    ("section", "refusal"),
    [
        (CrawlSection(optout="report"), None),
        (CrawlSection(optout="strict"), Outcome.OPTED_OUT),
        (CrawlSection(ai_agents=()), None),
        (CrawlSection(ai_agents=("other", "GPTBot")), Outcome.OPTED_OUT),
        (CrawlSection(user_agent="GPTBot/9"), Outcome.ROBOTS),
        (CrawlSection(user_agent="GPTBot/9", optout="report"), Outcome.ROBOTS),
    ],
)
def test_the_recipe_decides_what_counts(section: CrawlSection, refusal: Outcome | None) -> None:
    site, origin = site_of({ROBOTS: answer(b"User-agent: gptbot\nDisallow: /")}, section)
    assert site.refusal(f"{origin}/a") is refusal


def test_content_usage_and_content_signal_in_robots_txt() -> None:
    body = b"User-agent: *\nContent-Usage: /a train-ai=n\nContent-Signal: ai-train=no, search=yes\n"
    site, origin = site_of({ROBOTS: answer(body)})
    assert site.signals(f"{origin}/a", "page") == ("robots-content-usage:train-ai=n@page",)
    assert site.signals(f"{origin}/b", "image") == (
        "robots-content-signal:ai-train=n@image",
        "robots-content-signal:search=y@image",
    )
    assert site.refusal(f"{origin}/a") is Outcome.OPTED_OUT


def test_tdmrep_goes_by_the_longest_location() -> None:
    body = json.dumps(
        [
            {"location": "/", "tdm-reservation": 0},
            {"location": "/img/*.jpg$", "tdm-reservation": 1, "tdm-policy": "https://p.example/"},
            {"location": "/both", "tdm-reservation": 1},
            {"location": "/both", "tdm-reservation": 0},
        ]
    ).encode()
    site, origin = site_of({TDMREP: answer(body)})
    assert site.signals(f"{origin}/x", "page") == ("tdmrep:0@page",)
    assert site.refusal(f"{origin}/x") is None
    assert site.signals(f"{origin}/img/1.jpg", "image") == (
        "tdm-policy:https://p.example/@image",
        "tdmrep:1@image",
    )
    assert site.refusal(f"{origin}/img/1.jpg", "image") is Outcome.OPTED_OUT
    assert site.refusal(f"{origin}/both") is Outcome.OPTED_OUT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>not found</html>",
        b"[" * 100_000,
        b'[{"location": "\\ud800", "tdm-reservation": 1}]',
        b'{"location": "/", "tdm-reservation": 1, "x": ' + b'"x"' * 10 + b"}",
        b'[1, null, "x", {"location": 1, "tdm-reservation": 1}, {"location": "/"}]',
        b'[{"location": "/", "tdm-reservation": "yes"}]',
        b'[{"location": "/", "tdm-reservation": 1}]'.ljust(600_000),
    ],
)
def test_a_tdmrep_that_is_none_says_nothing(body: bytes) -> None:
    site, origin = site_of({TDMREP: answer(body)})
    assert site.signals(f"{origin}/x", "page") == ()


def test_ai_txt_speaks_of_images_and_trust_txt_of_all() -> None:
    routes = {
        AI: answer(b"User-Agent: *\nDisallow: *.jpg\nAllow: /free/*.jpg\nDisallow: *.txt\n"),
        TRUST: answer(b"# trust\nmember=https://x.example\nDataTrainingAllowed = NO\n"),
    }
    site, origin = site_of(routes, ALL_FILES)
    no = "trust-txt:datatrainingallowed=no"
    assert site.signals(f"{origin}/a/b.jpg", "image") == ("ai-txt:disallow@image", f"{no}@image")
    assert site.signals(f"{origin}/a/b.jpg", "page") == (f"{no}@page",)
    assert site.signals(f"{origin}/free/b.jpg", "image") == (f"{no}@image",)
    assert site.refusal(f"{origin}/") is Outcome.OPTED_OUT


def test_only_the_files_that_the_recipe_names_are_asked() -> None:
    robots = answer(b"License: /license.xml")
    for section, asked in [
        (CrawlSection(site_files=()), [ROBOTS]),
        (CrawlSection(site_files=("trust_txt",)), [ROBOTS, TRUST]),
        (CrawlSection(), [TDMREP, "/license.xml", ROBOTS]),
    ]:
        with HostileWeb({ROBOTS: robots}) as web:
            with_sites(lambda sites, _: sites.of(web.url("/a")), section)
            assert sorted(web.paths) == sorted(asked)


def test_robots_txt_speaks_of_the_other_files_too() -> None:
    with HostileWeb({ROBOTS: answer(b"User-agent: *\nDisallow: /.well-known/")}) as web:
        with_sites(lambda sites, _: sites.of(web.url("/a")))
        assert web.paths == [ROBOTS]


RSL = b"""<?xml version="1.0"?><rsl xmlns="https://rslstandard.org/rsl">
<content url="/"><license><permits type="usage">search ai-train</permits></license></content>
<content url="/sold/*"><license><permits type="usage">all</permits>
  <payment type="purchase"/></license></content></rsl>"""


def test_a_licence_that_robots_txt_names() -> None:
    robots = answer(b"License: /terms.xml\nLicense: mailto:x@example.org\n")
    site, origin = site_of({ROBOTS: robots, "/terms.xml": answer(RSL)})
    seen = f"rsl-license:{origin}/terms.xml@page"
    assert site.signals(f"{origin}/a", "page") == (seen, "rsl:ai-train=permitted@page")
    assert site.signals(f"{origin}/sold/1", "page") == (seen, "rsl:ai-train=paid@page")
    assert site.refusal(f"{origin}/a") is None
    assert site.refusal(f"{origin}/sold/1") is Outcome.OPTED_OUT


@pytest.mark.parametrize("route", [answer(b"", "500 Oops"), answer(b"[]", "404 Not Found")])
def test_other_files_that_fail_forbid_nothing(route: Answer) -> None:
    routes = dict.fromkeys((TDMREP, AI, TRUST, "/l.xml"), route)
    site, origin = site_of(routes | {ROBOTS: answer(b"License: /l.xml")}, ALL_FILES)
    assert site.refusal(f"{origin}/a", "image") is None


def test_a_file_whose_connection_breaks_forbids_nothing() -> None:
    async def reset(request: Request) -> bool:
        request.reset()
        return False

    site, origin = site_of({TDMREP: reset})
    assert site.refusal(f"{origin}/a", "image") is None


@pytest.mark.parametrize(
    ("status", "refusal", "life_s"),
    [
        ("404 Not Found", None, LIFE_S),
        ("403 Forbidden", None, LIFE_S),
        ("500 Oops", Outcome.ROBOTS, FAILURE_LIFE_S),
        ("503 Busy", Outcome.ROBOTS, FAILURE_LIFE_S),
        ("429 Too Many", Outcome.ROBOTS, FAILURE_LIFE_S),
    ],
)
def test_the_status_of_robots_txt_and_its_life(
    status: str, refusal: Outcome | None, life_s: float
) -> None:
    async def use(sites: Sites, clock: Clock) -> None:
        url = web.url("/a")
        site = await sites.of(url)
        assert isinstance(site, Site)
        assert site.refusal(url) is refusal
        clock.now += life_s - 1
        assert await sites.of(url) is site
        assert web.count(ROBOTS) == 1
        clock.now += 1
        assert await sites.of(url) is not site
        assert web.count(ROBOTS) == 2

    with HostileWeb({ROBOTS: answer(b"User-agent: *\nDisallow:", status)}) as web:
        with_sites(use)


def test_what_changes_is_seen_a_day_later() -> None:
    async def use(sites: Sites, clock: Clock) -> None:
        url = web.url("/a")
        assert (await refusal(sites, url)) is None
        web.routes[ROBOTS] = answer(b"User-agent: *\nDisallow: /")
        assert (await refusal(sites, url)) is None
        clock.now += LIFE_S
        assert (await refusal(sites, url)) is Outcome.ROBOTS

    async def refusal(sites: Sites, url: str) -> Outcome | None:
        site = await sites.of(url)
        assert isinstance(site, Site)
        return site.refusal(url)

    with HostileWeb({ROBOTS: answer(b"")}) as web:
        with_sites(use)


def test_a_host_that_nobody_answers_is_closed_for_ten_minutes() -> None:
    async def use(sites: Sites, clock: Clock) -> None:
        assert await sites.of(url) is Outcome.CONNECT
        with HostileWeb({}) as web:
            assert isinstance(await sites.of(web.url("/a")), Site)

    with HostileWeb({}) as gone:
        url = gone.url("/a")
    with_sites(use)


def test_a_failure_is_remembered_for_ten_minutes() -> None:
    async def use() -> None:
        clock = Clock()
        answers: list[SiteAnswer | Outcome] = [Outcome.DNS, Outcome.TIMEOUT, SiteAnswer(404)]

        async def get(url: str, max_bytes: int) -> SiteAnswer | Outcome:
            return answers.pop(0)

        sites = Sites(get, CrawlSection(site_files=()), clock)
        for outcome in (Outcome.DNS, Outcome.TIMEOUT):
            assert await sites.of("http://a.example/1") is outcome
            clock.now += FAILURE_LIFE_S - 1
            assert await sites.of("http://a.example/2") is outcome
            clock.now += 1
        assert isinstance(await sites.of("http://a.example/3"), Site)

    asyncio.run(use())


def test_redirects_are_followed_and_endless_ones_mean_absent() -> None:
    body = answer(b"User-agent: *\nDisallow: /a")
    site, origin = site_of({ROBOTS: redirect("/r1"), "/r1": redirect("/r2"), "/r2": body})
    assert site.refusal(f"{origin}/a") is Outcome.ROBOTS
    site, origin = site_of({ROBOTS: redirect(ROBOTS)})
    assert site.refusal(f"{origin}/a") is None


def test_a_huge_robots_txt_is_read_to_its_cap() -> None:
    async def flood(request: Request) -> bool:
        await request.send(b"HTTP/1.1 200 OK\r\n\r\nUser-agent: *\nDisallow: /a\n")
        for _ in range(20 * MAX_BYTES // 65_536):
            await request.send(b"#" * 65_535 + b"\n")
        await request.send(b"User-agent: *\nDisallow: /late\n")
        return False

    site, origin = site_of({ROBOTS: flood})
    assert site.refusal(f"{origin}/a") is Outcome.ROBOTS
    assert site.refusal(f"{origin}/late") is None


def test_many_who_ask_at_once_are_one_question() -> None:
    async def slow(request: Request) -> bool:
        await asyncio.sleep(0.2)
        return bool(await answer(b"User-agent: *\nDisallow: /x")(request))

    async def use(sites: Sites, clock: Clock) -> None:
        waiting = [asyncio.ensure_future(sites.of(web.url(f"/{n}"))) for n in range(50)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()  # and one that gives up takes nothing from the others
        found = await asyncio.gather(*waiting[1:])
        assert waiting[0].cancelled()
        assert len(set(map(id, found))) == 1
        assert web.count(ROBOTS) == 1

    with HostileWeb({ROBOTS: slow}) as web:
        with_sites(use)


def test_a_getter_that_breaks_is_asked_again() -> None:
    async def use() -> None:
        calls = []

        async def get(url: str, max_bytes: int) -> SiteAnswer | Outcome:
            calls.append(url)
            if len(calls) == 1:
                raise RuntimeError("a fault of ours")
            return SiteAnswer(404)

        sites = Sites(get, CrawlSection(site_files=()))
        with pytest.raises(RuntimeError):
            await sites.of("http://a.example/")
        assert isinstance(await sites.of("http://a.example/"), Site)
        assert len(calls) == 2

    asyncio.run(use())


def test_the_sites_used_longest_ago_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async def use() -> None:
        calls = []

        async def get(url: str, max_bytes: int) -> SiteAnswer | Outcome:
            calls.append(url)
            n_rules = 50 if "big" in url else 1
            return SiteAnswer(200, b"User-agent: *\n" + b"Disallow: /x\n" * n_rules)

        sites = Sites(get, CrawlSection(site_files=()))
        for name in ("a", "b", "c", "a", "d"):  # b was used longest ago
            await sites.of(f"http://{name}.example/")
        assert len(calls) == 4
        await sites.of("http://a.example/")
        assert len(calls) == 4
        await sites.of("http://b.example/")
        assert len(calls) == 5
        big = await sites.of("http://big.example/")  # more rules than all may have together
        assert isinstance(big, Site)
        await sites.of("http://b.example/")
        assert len(calls) == 7

    monkeypatch.setattr(sites_module, "MAX_SITES", 3)
    monkeypatch.setattr(sites_module, "MAX_BYTES", 15_000)
    asyncio.run(use())


def test_no_answer_is_used_for_more_than_a_day() -> None:
    assert FAILURE_LIFE_S < LIFE_S <= 24 * 3600  # RFC 9309, section 2.4
