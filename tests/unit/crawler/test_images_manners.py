"""The fetcher among others: repeats, opt-outs, robots.txt, and what one host may cost."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fetching import (
    JPEG,
    bad_chunk,
    endless_page,
    fetch,
    fetch_all,
    hang_up,
    sections,
    silence,
)
from hostile_web import Answer, HostileWeb, Request, answer, redirect
from webpairs_core.records import Outcome
from webpairs_crawler.images.answers import Fetched
from webpairs_crawler.images.fetcher import Fetcher
from webpairs_crawler.web.http import retry_after_s


class TestRetries:
    def _twice(self, first: Answer) -> tuple[Fetched, int]:
        """Fetch what answers so at first and well the second time."""
        calls: list[float] = []

        async def route(request: Request) -> bool | None:
            calls.append(time.monotonic())
            return await (first if len(calls) == 1 else answer(JPEG))(request)

        got = fetch(route, retries=1)
        return got, len(calls)

    @pytest.mark.parametrize(
        "first",
        [
            answer(b"", "500 Oops"),
            answer(b"", "503 Busy", ("Retry-After: 1",)),
            answer(b"", "429 Slow Down", ("Retry-After: 1",)),
            answer(JPEG[:-9], length=len(JPEG)),
            bad_chunk,
        ],
    )
    def test_what_can_heal_is_asked_again(self, first: Answer) -> None:
        got, calls = self._twice(first)
        assert (got.outcome, got.attempts, calls) == (Outcome.OK, 2, 2)

    @pytest.mark.parametrize(
        ("first", "outcome"),
        [
            (answer(b"", "404 Not Found"), Outcome.HTTP_4XX),
            (answer(b"nothing"), Outcome.NOT_IMAGE),
            (answer(b"", "429 Slow Down", ("Retry-After: 86400",)), Outcome.HTTP_4XX),
            (answer(b"", "503 Busy", ("Retry-After: " + "9" * 400,)), Outcome.HTTP_5XX),
        ],
    )
    def test_what_cannot_is_not(self, first: Answer, outcome: Outcome) -> None:
        got, calls = self._twice(first)
        assert (got.outcome, got.attempts, calls) == (outcome, 1, 1)

    def test_retry_after_pauses_the_whole_host(self) -> None:
        asked: list[float] = []

        async def busy(request: Request) -> bool | None:
            asked.append(time.monotonic())
            header = ("Retry-After: 1",) if len(asked) == 1 else ()
            status = "503 Busy" if len(asked) == 1 else "200 OK"
            return await answer(JPEG, status, header)(request)

        with HostileWeb({f"/{i}": busy for i in range(3)}) as web:
            fetch_all([web.url(f"/{i}") for i in range(3)], per_host=1)
        assert min(later - asked[0] for later in asked[1:]) >= 0.9

    def test_retry_after_by_number_and_date(self) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
        assert 90 < retry_after_s(date) <= 100
        assert retry_after_s("7") == 7
        assert retry_after_s(format_datetime(datetime(2001, 1, 1, tzinfo=UTC))) == 0
        for nonsense in (None, "", "soon", "-5", "1e3", "Mon, 99 Foo 2026 00:00:00 GMT"):
            assert retry_after_s(nonsense) == 0


class TestOptOut:
    @pytest.mark.parametrize(
        ("headers", "policy", "outcome", "signals"),
        [
            (("X-Robots-Tag: noai",), "default", Outcome.OPTED_OUT, ("x-robots-tag:noai@image",)),
            (
                ("X-Robots-Tag: noarchive", "X-Robots-Tag: NOIMAGEAI"),
                "default",
                Outcome.OPTED_OUT,
                ("x-robots-tag:noarchive@image", "x-robots-tag:noimageai@image"),
            ),
            (
                ("X-Robots-Tag: webpairs: noai",),
                "default",
                Outcome.OPTED_OUT,
                ("x-robots-tag:noai@image",),
            ),
            (("X-Robots-Tag: otherbot: noai",), "default", Outcome.OK, ()),
            (("tdm-reservation: 1",), "default", Outcome.OPTED_OUT, ("tdm-reservation:1@image",)),
            (("X-Robots-Tag: noindex",), "default", Outcome.OK, ("x-robots-tag:noindex@image",)),
            (
                ("X-Robots-Tag: noindex",),
                "strict",
                Outcome.OPTED_OUT,
                ("x-robots-tag:noindex@image",),
            ),
            (("X-Robots-Tag: noai",), "report", Outcome.OK, ("x-robots-tag:noai@image",)),
        ],
    )
    def test_signals_on_the_image_are_obeyed_and_kept(
        self, headers: tuple[str, ...], policy: str, outcome: Outcome, signals: tuple[str, ...]
    ) -> None:
        got = fetch(answer(JPEG, headers=headers), crawl={"optout": policy})
        assert (got.outcome, got.optout) == (outcome, signals)
        assert bool(got.data) == (outcome == Outcome.OK)


class TestRobots:
    def test_rules_are_asked_once_for_an_origin_and_obeyed(self) -> None:
        rules = answer(b"User-agent: webpairs\nDisallow: /private/\n")
        routes = {"/robots.txt": rules, "/private/x": answer(JPEG), "/x": answer(JPEG)}
        with HostileWeb(routes) as web:
            got = fetch_all([web.url("/x"), web.url("/private/x"), web.url("/x?2")])
            assert web.count("/robots.txt") == 1
            assert web.count("/private/x") == 0
        assert [each.outcome for each in got] == [Outcome.OK, Outcome.ROBOTS, Outcome.HTTP_4XX]
        assert got[1].attempts == 0

    def test_the_target_of_a_redirect_is_checked_too(self) -> None:
        routes = {
            "/robots.txt": answer(b"User-agent: *\nDisallow: /private/\n"),
            "/x": redirect("/private/x"),
            "/private/x": answer(JPEG),
        }
        with HostileWeb(routes) as web:
            [got] = fetch_all([web.url("/x")])
            assert web.count("/private/x") == 0
        assert (got.outcome, got.attempts) == (Outcome.ROBOTS, 1)

    @pytest.mark.parametrize(
        ("robots", "outcome"),
        [
            (answer(b"", "404 Not Found"), Outcome.OK),
            (answer(b"", "403 Forbidden"), Outcome.OK),
            (answer(b"", "503 Busy"), Outcome.ROBOTS),
            (redirect("/robots.txt"), Outcome.OK),
            (redirect("/elsewhere"), Outcome.ROBOTS),
            (endless_page, Outcome.OK),
            (silence, Outcome.TIMEOUT),
            (hang_up, Outcome.PROTOCOL),
        ],
    )
    def test_answers_that_are_no_rules(self, robots: Answer, outcome: Outcome) -> None:
        routes = {
            "/robots.txt": robots,
            "/elsewhere": answer(b"User-agent: *\nDisallow: /"),
            "/x": answer(JPEG),
        }
        with HostileWeb(routes) as web:
            [got] = fetch_all([web.url("/x")], timeout_s=1)
        assert got.outcome == outcome

    def test_a_dead_origin_is_not_asked_for_each_image(self) -> None:
        with HostileWeb({"/robots.txt": hang_up, "/x": answer(JPEG)}) as web:
            got = fetch_all([web.url(f"/x?{i}") for i in range(20)])
            assert set(web.paths) == {"/robots.txt"}
        # The one that was to be asked says how it failed, the others that they were not asked.
        assert sorted(each.outcome for each in got) == [Outcome.HOST_DOWN] * 19 + [Outcome.PROTOCOL]
        assert {each.attempts for each in got} == {0}


class TestLimits:
    def test_a_host_is_never_asked_more_than_its_share_whatever_the_port(self) -> None:
        now = most = 0

        async def slow(request: Request) -> bool | None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.02)
            now -= 1
            return await answer(JPEG)(request)

        routes: dict[str, Answer] = {f"/{i}": slow for i in range(8)}
        with HostileWeb(routes) as one, HostileWeb(routes) as two:
            urls = [web.url(f"/{i}") for i in range(8) for web in (one, two)]
            got = fetch_all(urls, per_host=2)
        assert {each.outcome for each in got} == {Outcome.OK}
        assert most <= 2

    def test_waiting_for_a_busy_host_does_not_time_out(self) -> None:
        with HostileWeb({f"/{i}": answer(JPEG, pause_s=0.3) for i in range(6)}) as web:
            got = fetch_all([web.url(f"/{i}") for i in range(6)], per_host=1, timeout_s=1)
        assert {each.outcome for each in got} == {Outcome.OK}

    def test_connections_are_used_again(self) -> None:
        with HostileWeb({f"/{i}": answer(JPEG) for i in range(30)}) as web:
            got = fetch_all([web.url(f"/{i}") for i in range(30)], per_host=2)
            assert web.n_connections <= 3
        assert {each.outcome for each in got} == {Outcome.OK}

    def test_a_slow_host_does_not_hold_up_another(self) -> None:
        with (
            HostileWeb({f"/{i}": silence for i in range(4)}, host="127.0.0.2") as slow,
            HostileWeb({"/x": answer(JPEG)}, host="127.0.0.3") as fast,
        ):
            urls = [slow.url(f"/{i}") for i in range(4)] + [fast.url("/x")]
            got = fetch_all(urls, concurrency=2, per_host=1, timeout_s=1)
        assert [each.outcome for each in got] == [Outcome.TIMEOUT] * 4 + [Outcome.OK]

    def test_the_place_is_held_until_the_caller_has_used_the_bytes(self) -> None:
        in_hand = most = 0

        async def use(_: Fetched) -> None:
            nonlocal in_hand, most
            in_hand += 1
            most = max(most, in_hand)
            await asyncio.sleep(0.05)
            in_hand -= 1

        async def all_of_them(urls: list[str]) -> None:
            async with Fetcher(*sections(concurrency=3, per_host=50)) as fetcher:
                for url in urls:
                    fetcher.add(url, use)
                await fetcher.idle()

        with HostileWeb({f"/{i}": answer(JPEG) for i in range(12)}) as web:
            asyncio.run(all_of_them([web.url(f"/{i}") for i in range(12)]))
        assert most == 3
