"""How often, how long and over which connection one URL is asked for."""

import asyncio
import socket
from itertools import pairwise

import pytest

from fetching import fetch_all, sections
from hostile_web import HostileWeb, Request, answer, picture, pictures, redirect
from webpairs_core.records import Outcome
from webpairs_crawler.images.answers import Fetched
from webpairs_crawler.images.client import Client
from webpairs_crawler.images.errand import Wanted
from webpairs_crawler.images.fetcher import Fetcher

JPEG = picture()


class NobodyThere(Client):
    """Answers for robots.txt, then nobody can be connected to."""

    async def ask(self, url: str, wanted: Wanted, timeout_s: float) -> Fetched | str:
        if wanted.where is None:
            return Fetched(outcome=Outcome.HTTP_4XX, http_status=404)
        return Fetched(outcome=Outcome.CONNECT)


def test_few_failures_allowed_count_for_connections_too() -> None:
    crawl, section = sections(host_down_after=1, retries=3)

    async def both() -> list[Fetched]:
        async with Fetcher(crawl, section, NobodyThere(crawl, section)) as fetcher:
            urls = [f"http://h.example/{i}" for i in range(2)]
            return await asyncio.gather(*(fetcher.fetch(url) for url in urls))

    first, second = asyncio.run(both())
    assert (first.outcome, first.attempts, second.outcome) == ("connect", 1, "host_down")


def test_a_dead_port_is_not_its_whole_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        dead = one.getsockname()[1]
    with HostileWeb(pictures(3)) as web:
        urls = [f"http://127.0.0.1:{dead}/{i}" for i in range(3)]
        got = fetch_all([*urls, *(web.url(f"/{i}.jpg") for i in range(3))], per_host=1)
    assert [each.outcome for each in got] == ["connect", *["host_down"] * 2, *["ok"] * 3]


def test_a_site_without_a_crawl_delay_keeps_the_recipes_delay() -> None:
    with HostileWeb(pictures(4)) as web:
        loop_s: list[float] = []

        async def note(request: Request) -> bool | None:
            loop_s.append(asyncio.get_running_loop().time())
            return await answer(JPEG)(request)

        web.routes |= {f"/{i}.jpg": note for i in range(4)}
        fetch_all([web.url(f"/{i}.jpg") for i in range(4)], delay_s=0.3)
    pauses = [after - before for before, after in pairwise(loop_s)]
    assert min(pauses) > 0.2  # a lower bound: a slow machine does not break it


def test_the_clock_of_an_attempt_runs_on_over_redirects() -> None:
    hops = [redirect(f"/{i + 1}") for i in range(4)]

    def slow(i: int) -> object:
        async def route(request: Request) -> bool | None:
            await asyncio.sleep(0.4)
            return await hops[i](request)

        return route

    routes = {f"/{i}": slow(i) for i in range(4)} | {"/4": answer(JPEG)}
    with HostileWeb(routes) as web:  # type: ignore[arg-type]
        [got] = fetch_all([web.url("/0")], timeout_s=1)
    assert got.outcome is Outcome.TIMEOUT


def test_a_new_attempt_has_all_its_time() -> None:
    n = 0

    async def route(request: Request) -> bool | None:
        nonlocal n
        n += 1
        good = answer(JPEG, pause_s=1.2) if n > 1 else answer(b"", "500 Oops", pause_s=1.2)
        return await good(request)

    with HostileWeb({"/0": route}) as web:
        [got] = fetch_all([web.url("/0")], timeout_s=2, retries=1)
    assert (got.outcome, got.attempts) == (Outcome.OK, 2)


def test_a_robots_txt_that_is_asked_again_holds_no_place() -> None:
    async def hang_up(request: Request) -> bool | None:
        request.reset()
        return None

    ended: list[str] = []
    with (
        HostileWeb({"/robots.txt": hang_up}) as bad,
        HostileWeb({"/x": answer(JPEG)}, host="127.0.0.2") as good,
    ):

        async def both() -> None:
            async with Fetcher(*sections(concurrency=1, retries=2)) as fetcher:

                async def one(url: str) -> None:
                    await fetcher.fetch(url)
                    ended.append(url)

                await asyncio.gather(one(bad.url("/x")), one(good.url("/x")))

        asyncio.run(both())
        assert ended == [good.url("/x"), bad.url("/x")]


def test_long_and_raw_addresses_of_redirects_are_followed() -> None:
    signed = "/t?signature=" + "a" * 2_000
    with HostileWeb(
        {
            "/long": redirect(signed),
            signed: answer(JPEG),
            "/raw": redirect("/caf\udce9.jpg"),  # one byte of Latin-1
            "/caf%E9.jpg": answer(JPEG),
        }
    ) as web:
        got = fetch_all([web.url("/long"), web.url("/raw")])
    assert [each.outcome for each in got] == ["ok", "ok"]
    assert got[0].final_url.endswith(signed)


@pytest.mark.parametrize("late", ["200 OK", "408 Request Timeout"])
def test_what_a_server_says_unasked_is_nobodys_answer(late: str) -> None:
    """It lies on an idle connection and would be taken for the answer to the next request."""
    other = picture(seed=99)
    head = f"HTTP/1.1 {late}\r\nContent-Length: {len(other)}\r\n\r\n".encode()

    def chatty(body: bytes) -> object:
        async def route(request: Request) -> bool | None:
            await answer(body)(request)
            await asyncio.sleep(0.05)
            await request.send(head + other)
            return True

        return route

    mine = [picture(seed=i) for i in range(4)]
    routes = {f"/{i}": chatty(body) for i, body in enumerate(mine)}
    with HostileWeb(routes) as web:  # type: ignore[arg-type]
        urls = [web.url(f"/{i}") for i in range(4)]
        got = fetch_all(urls, per_host=1, delay_s=0.3)
    assert [each.data for each in got] == mine


def test_a_part_that_was_not_asked_for_is_no_image() -> None:
    with HostileWeb({"/0": answer(JPEG[:100], "206 Partial Content")}) as web:
        [got] = fetch_all([web.url("/0")])
    assert got.outcome is Outcome.PROTOCOL
