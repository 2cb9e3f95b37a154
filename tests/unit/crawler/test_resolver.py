"""Names are asked once, dead ones too; many at a time; and what is kept is bounded."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

import pytest

from webpairs_crawler.images import resolver
from webpairs_crawler.images.resolver import Resolver


def run(names: list[str], lookup: resolver.Lookup) -> list[object]:
    async def ask() -> list[object]:
        asked = Resolver(lookup)
        try:
            found = await asyncio.gather(
                *(asked.resolve(name, 80) for name in names), return_exceptions=True
            )
            again = await asyncio.gather(
                *(asked.resolve(name, 443) for name in names), return_exceptions=True
            )
            assert [isinstance(a, OSError) for a in again] == [
                isinstance(f, OSError) for f in found
            ]
            return list(found)
        finally:
            await asked.close()

    return asyncio.run(ask())


def test_a_name_is_looked_up_once_however_many_ask() -> None:
    asked: list[str] = []

    def lookup(host: str, _family: int) -> list[tuple[int, str]]:
        asked.append(host)
        time.sleep(0.05)
        return [(socket.AF_INET, "127.0.0.1")]

    [first, *_] = run(["a.example"] * 20, lookup)
    assert asked == ["a.example"]
    assert isinstance(first, list)
    assert (first[0]["host"], first[0]["port"]) == ("127.0.0.1", 80)


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "no"), UnicodeError("long")])
def test_a_dead_name_is_remembered(error: Exception) -> None:
    asked: list[str] = []

    def lookup(host: str, _family: int) -> list[tuple[int, str]]:
        asked.append(host)
        raise error

    found = run(["dead.example"] * 3, lookup)
    assert asked == ["dead.example"]
    assert all(isinstance(each, OSError) for each in found)


def test_lookups_run_side_by_side() -> None:
    together = threading.Barrier(32, timeout=30)

    def lookup(_host: str, _family: int) -> list[tuple[int, str]]:
        together.wait()  # passes only when 32 are here at once
        return [(socket.AF_INET, "127.0.0.1")]

    found = run([f"{i}.example" for i in range(32)], lookup)
    assert all(isinstance(each, list) for each in found)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MAX_NAMES", 10)

    async def ask() -> int:
        asked = Resolver(lambda *_: [(socket.AF_INET, "127.0.0.1")])
        for i in range(50):
            await asked.resolve(f"{i}.example")
        await asked.close()
        return len(asked._kept)

    assert asyncio.run(ask()) == 10


def test_the_name_used_longest_ago_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MAX_NAMES", 2)
    asked: list[str] = []

    def lookup(host: str, _family: int) -> list[tuple[int, str]]:
        asked.append(host)
        return [(socket.AF_INET, "192.0.2.1")]

    _one_by_one("abacab", lookup)
    assert asked == ["a", "b", "c", "b"]


def test_a_resolver_that_failed_is_asked_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def lookup(host: str, _family: int) -> list[tuple[int, str]]:
        nonlocal now
        asked.append(host)
        now += 6
        raise socket.gaierror(
            socket.EAI_AGAIN if host == "unsure" else socket.EAI_NONAME, "no answer"
        )

    _one_by_one(["unsure", "none", "unsure", "none"], lookup)
    assert asked == ["unsure", "none", "unsure"]


def test_names_that_hang_leave_threads_for_the_others() -> None:
    hang = threading.Event()

    def lookup(host: str, _family: int) -> list[tuple[int, str]]:
        if host.startswith("dead"):
            hang.wait(60)
        return [(socket.AF_INET, "192.0.2.1")]

    async def resolve() -> int:
        asked = resolver.Resolver(lookup, threads=101)
        dead = [asyncio.ensure_future(asked.resolve(f"dead{i}")) for i in range(100)]
        found = await asked.resolve("good")
        hang.set()
        await asyncio.gather(*dead)
        await asked.close()
        return len(found)

    assert asyncio.run(asyncio.wait_for(resolve(), 50)) == 1


def _one_by_one(names: Iterable[str], lookup: resolver.Lookup) -> None:
    async def resolve() -> None:
        asked = resolver.Resolver(lookup)
        for name in names:
            with suppress(OSError):
                await asked.resolve(name)
        await asked.close()

    asyncio.run(resolve())
