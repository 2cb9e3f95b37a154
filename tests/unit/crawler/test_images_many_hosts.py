"""Lists of many hosts: names are resolved side by side, and nobody waits for the dead ones."""

import asyncio
import socket
import time
from collections import Counter

import pytest

from fetching import fetch_all, sections
from hostile_web import HostileWeb, answer, picture
from webpairs_core.records import Outcome
from webpairs_crawler.images import resolver
from webpairs_crawler.images.answers import Fetched
from webpairs_crawler.images.fetcher import Fetcher

N_HOSTS = 2_000
JPEG = picture(64, 64)
NO_FILES = {"site_files": ()}


def lookup(host: str, _family: int) -> list[tuple[int, str]]:
    number = int(host.removeprefix("h").removesuffix(".example"))
    if number % 10 == 0:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    address = f"127.{1 + number // 65_536}.{number // 256 % 256}.{number % 256}"
    return [(socket.AF_INET, address)]


def test_thousands_of_hosts_do_not_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_system_lookup", lookup)
    counts: Counter[Outcome] = Counter()
    most_open = 0

    async def fetch_images(port: int) -> None:
        nonlocal most_open
        async with Fetcher(*sections(NO_FILES, concurrency=64, connect_timeout_s=30)) as fetcher:

            async def use(fetched: Fetched) -> None:
                counts[fetched.outcome] += 1

            for image in range(2):
                for i in range(N_HOSTS):
                    fetcher.add(f"http://h{i}.example:{port}/{image}.jpg", use)
            most_open = fetcher.n_open
            await fetcher.idle()
            assert fetcher.n_hosts == 0  # nothing is kept of a host that is done

    with HostileWeb({"/0.jpg": answer(JPEG), "/1.jpg": answer(JPEG)}, host="0.0.0.0") as web:
        asyncio.run(fetch_images(web.port))
    n_dead = N_HOSTS // 10
    assert most_open == 2 * N_HOSTS
    assert counts == {
        Outcome.OK: 2 * (N_HOSTS - n_dead),
        Outcome.DNS: n_dead,
        Outcome.HOST_DOWN: n_dead,
    }


def test_a_limit_for_all_hosts_together() -> None:
    with HostileWeb({f"/{i}": answer(JPEG) for i in range(26)}) as web:
        urls = [web.url(f"/{i}") for i in range(26)]
        began = time.monotonic()
        found = fetch_all(urls, NO_FILES, per_host=50, max_per_s=50.0)
        took_s = time.monotonic() - began
    assert {each.outcome for each in found} == {Outcome.OK}
    assert took_s >= 25 / 50 * 0.95  # a lower bound: a slow machine does not break it


def test_a_large_host_may_have_a_larger_budget() -> None:
    with HostileWeb({f"/{i}": answer(JPEG, pause_s=0.05) for i in range(30)}) as web:
        urls = [web.url(f"/{i}") for i in range(30)]
        hosts = [{"match": "127.0.0.*", "per_host": 6}]
        fetch_all(urls, NO_FILES, per_host=1, hosts=hosts)
        assert web.most_at_once == 6


def test_a_fetch_that_fails_starts_nothing_more() -> None:
    said: list[object] = []

    async def fail(_: Fetched) -> None:
        raise ValueError("the disk is full")

    async def fetch_images() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        async with Fetcher(*sections(NO_FILES, concurrency=4)) as fetcher:
            for i in range(40):
                fetcher.add(f"no url {i}", fail)
                fetcher.add(f"http://127.0.0.{i + 2}:1/x.jpg", fail)
            await fetcher.idle()

    with pytest.raises(BaseExceptionGroup):
        asyncio.run(fetch_images())
    assert said == []
