"""What the sites of images ask, obeyed at every hop; and asking for headers alone."""

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest

from fetching import JPEG, fetch_all, sections
from hostile_web import Answer, HostileWeb, Request, answer, redirect
from webpairs_core.records import Outcome
from webpairs_crawler.images import fetcher as fetcher_module
from webpairs_crawler.images.fetcher import Fetcher
from webpairs_crawler.images.recheck import Checked, Verdict, gravest, recheck

ALL_FILES = {"site_files": ("tdmrep", "rsl", "ai_txt", "trust_txt")}


def check(url: str, where: Any = "image") -> Checked:
    async def ask() -> Checked:
        async with Fetcher(*sections()) as fetcher:
            return await recheck(fetcher, url, where)

    return asyncio.run(ask())


TDMREP = answer(b'[{"location": "/x.jpg", "tdm-reservation": 1}]')


@pytest.mark.parametrize(
    ("routes", "signals"),
    [
        ({"/robots.txt": answer(b"User-agent: GPTBot\nDisallow: /")}, ("robots:gptbot@image",)),
        (
            {"/robots.txt": answer(b"User-agent: *\nContent-Usage: train-ai=n\nAllow: /")},
            ("robots-content-usage:train-ai=n@image",),
        ),
        ({"/.well-known/tdmrep.json": TDMREP}, ("tdmrep:1@image",)),
        ({"/ai.txt": answer(b"User-agent: *\nDisallow: *.jpg")}, ("ai-txt:disallow@image",)),
        (
            {"/trust.txt": answer(b"datatrainingallowed=no")},
            ("trust-txt:datatrainingallowed=no@image",),
        ),
    ],
)
def test_a_site_can_opt_out(routes: dict[str, Answer], signals: tuple[str, ...]) -> None:
    with HostileWeb({"/x.jpg": answer(JPEG), **routes}) as web:
        [got] = fetch_all([web.url("/x.jpg")], ALL_FILES)
        assert web.count("/x.jpg") == 0
        assert (got.outcome, got.optout, got.attempts) == (Outcome.OPTED_OUT, signals, 0)
        [told] = fetch_all([web.url("/x.jpg")], {**ALL_FILES, "optout": "report"})
    assert (told.outcome, told.optout) == (Outcome.OK, signals)


@pytest.mark.parametrize(
    ("header", "signal"),
    [
        ("Content-Usage: train-ai=n", "content-usage:train-ai=n@image"),
        ("TDM-Reservation: 1", "tdm-reservation:1@image"),
        ("X-Robots-Tag: otherbot: all, webpairs: noai", "x-robots-tag:noai@image"),
    ],
)
def test_an_image_can_opt_out(header: str, signal: str) -> None:
    with HostileWeb({"/x.jpg": answer(JPEG, headers=(header,))}) as web:
        [got] = fetch_all([web.url("/x.jpg")])
    assert (got.outcome, got.optout, got.data) == (Outcome.OPTED_OUT, (signal,), b"")


def test_what_every_hop_says_is_kept() -> None:
    first = {"/robots.txt": answer(b"User-agent: *\nContent-Usage: search=y\nAllow: /")}
    header = ("X-Robots-Tag: noarchive",)
    with HostileWeb({"/y.jpg": answer(JPEG, headers=header)}, host="127.0.0.3") as two:
        routes = {**first, "/x.jpg": redirect(two.url("/y.jpg"))}
        with HostileWeb(routes, host="127.0.0.2") as one:
            [got] = fetch_all([one.url("/x.jpg")])
            assert got.outcome is Outcome.OK
            assert got.optout == (
                "robots-content-usage:search=y@image",
                "x-robots-tag:noarchive@image",
            )
            two.routes["/robots.txt"] = answer(b"User-agent: CCBot\nDisallow: /y")
            [got] = fetch_all([one.url("/x.jpg")])
            assert got.outcome is Outcome.OPTED_OUT
            assert "robots:ccbot@image" in got.optout


class TestCrawlDelay:
    def times(self, delay: str, n: int, *, in_turn: bool = False) -> list[float]:
        asked: list[float] = []

        async def note(request: Request) -> bool | None:
            asked.append(time.monotonic())
            return await answer(JPEG)(request)

        routes: dict[str, Answer] = {f"/{i}.jpg": note for i in range(n)}
        routes["/robots.txt"] = answer(f"User-agent: *\nCrawl-delay: {delay}\n".encode())
        with HostileWeb(routes) as web:
            urls = [web.url(f"/{i}.jpg") for i in range(n)]

            async def one_by_one() -> None:
                async with Fetcher(*sections(per_host=4)) as fetcher:
                    for url in urls:
                        assert (await fetcher.fetch(url)).outcome is Outcome.OK

            if in_turn:
                asyncio.run(one_by_one())
            else:
                assert {got.outcome for got in fetch_all(urls, per_host=4)} == {Outcome.OK}
        return asked

    @pytest.mark.parametrize("in_turn", [False, True])
    def test_it_is_kept_between_images(self, in_turn: bool) -> None:
        # Also when nobody waits for the host between two requests.
        asked = self.times("0.3", 4, in_turn=in_turn)
        gaps = [later - earlier for earlier, later in pairwise(asked)]
        assert min(gaps) >= 0.25  # what is asked for, less what loopback and timers are off by

    def test_it_has_a_ceiling(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert fetcher_module.CRAWL_DELAY_CEILING_S == 30
        monkeypatch.setattr(fetcher_module, "CRAWL_DELAY_CEILING_S", 0.01)
        assert len(self.times("86400", 3)) == 3


class TestAsk:
    def test_the_body_is_not_asked_for(self) -> None:
        with HostileWeb({"/x.jpg": answer(JPEG)}) as web:
            assert check(web.url("/x.jpg")) == Checked(Verdict.FINE)
            assert web.methods[-1] == "HEAD"

    @pytest.mark.parametrize("refusal", ["405 No", "404 Not Found", "403 No", "500 Oops", "cut"])
    def test_servers_that_do_not_know_head(self, refusal: str) -> None:
        async def only_get(request: Request) -> bool | None:
            if request.method == "GET":
                return await answer(JPEG, headers=("X-Robots-Tag: noai",))(request)
            if refusal == "cut":
                request.reset()
            return await answer(b"", refusal)(request)

        with HostileWeb({"/x.jpg": only_get}) as web:
            found = check(web.url("/x.jpg"))
        assert found == Checked(Verdict.OPTED_OUT, ("x-robots-tag:noai@image",))

    def test_a_body_without_end_is_left_unread(self) -> None:
        async def endless(request: Request) -> bool | None:
            if request.method == "HEAD":
                return await answer(b"", "405 No")(request)
            await request.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await request.send(b"\0" * 65_536)

        with HostileWeb({"/x": endless}) as web:
            assert check(web.url("/x"), "page").verdict is Verdict.FINE

    @pytest.mark.parametrize(
        ("route", "verdict", "signal"),
        [
            (answer(b"", "404 Not Found"), Verdict.GONE, "http:404@page"),
            (answer(b"", "410 Gone"), Verdict.GONE, "http:410@page"),
            (answer(b"", "403 Forbidden"), Verdict.UNKNOWN, "outcome:http_4xx@page"),
            (answer(b"", "429 Slow Down"), Verdict.UNKNOWN, "outcome:http_4xx@page"),
            (answer(b"", "503 Busy"), Verdict.UNKNOWN, "outcome:http_5xx@page"),
            (redirect("/x"), Verdict.UNKNOWN, "outcome:too_many_redirects@page"),
            (redirect("http://10.0.0.1/"), Verdict.UNKNOWN, "outcome:refused_private@page"),
        ],
    )
    def test_verdicts(self, route: Answer, verdict: Verdict, signal: str) -> None:
        with HostileWeb({"/x": route}) as web:
            assert check(web.url("/x"), "page") == Checked(verdict, (signal,))

    @pytest.mark.parametrize("url", ["", "not a url", "ftp://x/y", "http://nobody.invalid/"])
    def test_addresses_that_cannot_be_asked(self, url: str) -> None:
        assert check(url).verdict is Verdict.UNKNOWN

    @pytest.mark.parametrize("status", ["500 Oops", "429 Slow Down"])
    def test_a_site_closed_for_now_has_not_said_no(self, status: str) -> None:
        with HostileWeb({"/robots.txt": answer(b"", status), "/x.jpg": answer(JPEG)}) as web:
            assert check(web.url("/x.jpg")) == Checked(Verdict.UNKNOWN, ("outcome:robots@image",))
            web.routes["/robots.txt"] = answer(b"User-agent: *\nDisallow: /x")
            assert check(web.url("/x.jpg")).verdict is Verdict.ROBOTS


def test_the_gravest_verdict_counts() -> None:
    fine, gone = Checked(Verdict.FINE, ("a",)), Checked(Verdict.GONE, ("b", "a"))
    out = Checked(Verdict.OPTED_OUT, ("c",))
    assert gravest(fine) == fine
    assert gravest(fine, gone) == Checked(Verdict.GONE, ("a", "b"))
    assert gravest(gone, out).verdict is Verdict.OPTED_OUT
    assert gravest(out, Checked(Verdict.UNKNOWN)).verdict is Verdict.OPTED_OUT
