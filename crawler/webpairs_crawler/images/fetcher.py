"""Download images: one aiohttp session, and exactly one outcome for each URL.

Three limits nest, in this order: a slot of the host (by host name: aiohttp's own limit counts host
and port), a place among all images in hand, the clock of the attempt. The clock starts when both
are held, so waiting for a busy host never times out. The place is kept until the caller has used
the bytes: slow decoding slows the downloads and never piles up bodies in memory.

Addresses are checked where the socket is made: literal addresses, redirects and names that change
their address pass the same check (aiohttp asks no resolver about literal addresses).
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

import aiohttp
from aiohttp import AddrInfoType
from msgspec.structs import replace
from yarl import URL

from webpairs_core.records import Outcome
from webpairs_crawler.images.answers import (
    FAILURES,
    AddressRefused,
    Fetched,
    can_heal,
    outcome_of_error,
    outcome_of_status,
    retry_after_s,
)
from webpairs_crawler.images.bodies import read_image, read_start
from webpairs_crawler.options import CrawlSection, FetchSection
from webpairs_crawler.optout import robots
from webpairs_crawler.optout.robots import Rules
from webpairs_crawler.optout.signals import forbids, signals_from_headers
from webpairs_crawler.web import urls
from webpairs_crawler.web.guard import make_guard

MAX_REDIRECTS = 5
RETRY_AFTER_CEILING_S = 60.0
"""A host that asks for a longer pause is not asked again in this run of the URL."""
_FIRST_PAUSE_S = 0.5
"""Before the first repeat; doubled before each further one."""
_RULES_LIVE_S = 24 * 3600.0
"""RFC 9309 §2.4: a robots.txt is not used for more than a day."""
_FAILURES_LIVE_S = 600.0
"""A dead host is asked again after this; until then its images share its outcome."""
_MAX_ORIGINS = 10_000
_DNS_THREADS = 32
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADER_CHARACTERS = 500


class _Host:
    """The politeness of one host name."""

    def __init__(self, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.not_before = 0.0
        """Monotonic seconds: a Retry-After pauses the whole host."""


class _Origin:
    """The cached robots.txt of one scheme, host and port; an Outcome when it could not be had."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.rules: Rules | Outcome = Outcome.DNS
        self.good_until = 0.0


class Fetcher:
    """`async with Fetcher(...) as fetcher: async with fetcher.fetch(url) as fetched: ...`."""

    def __init__(self, crawl: CrawlSection, fetch: FetchSection) -> None:
        self._crawl = crawl
        self._fetch = fetch
        self._guard = make_guard(crawl.private_networks)
        self._hosts: WeakValueDictionary[str, _Host] = WeakValueDictionary()
        self._origins: dict[str, _Origin] = {}
        self._places = asyncio.Semaphore(fetch.concurrency)

    async def __aenter__(self) -> Self:
        # getaddrinfo blocks a thread: with the few default ones, dead names would hold up all.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_DNS_THREADS))
        connector = aiohttp.TCPConnector(
            limit=0,  # _places and _hosts limit
            ssl=ssl.create_default_context(),  # one: making it parses all root certificates
            resolver=aiohttp.ThreadedResolver(),
            ttl_dns_cache=300,
            socket_factory=self._make_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers={
                "User-Agent": self._crawl.agent,
                "Accept": "image/avif,image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8",
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # bodies.py does it, with a cap
            trust_env=False,  # behind a proxy the guard would see the proxy's address only
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    @asynccontextmanager
    async def fetch(self, url: str) -> AsyncIterator[Fetched]:
        """Download one image; inside the block its place among `concurrency` is held.

        Never raises for what the web does: see `Fetched.outcome`.
        """
        async with AsyncExitStack() as hand:
            clean = urls.canonical(url)
            if clean is None:
                yield Fetched(outcome=Outcome.BAD_URL, final_url=url)
            else:
                yield await self._retried(clean, hand, is_robots=False)

    async def _retried(self, url: str, hand: AsyncExitStack, *, is_robots: bool) -> Fetched:
        pause_s = _FIRST_PAUSE_S
        for repeats_left in range(self._fetch.retries, -1, -1):
            fetched = await self._attempt(url, hand, is_robots=is_robots)
            attempts = self._fetch.retries - repeats_left + (1 if fetched.attempts else 0)
            fetched = replace(fetched, attempts=attempts)
            is_over = not fetched.attempts or fetched.wait_s > RETRY_AFTER_CEILING_S
            if not repeats_left or is_over or not can_heal(fetched):
                break
            await hand.aclose()
            await asyncio.sleep(max(pause_s, fetched.wait_s))
            pause_s *= 2
        return fetched

    async def _attempt(self, url: str, hand: AsyncExitStack, *, is_robots: bool) -> Fetched:
        """Ask once and follow redirects. `hand` holds a place when this returns, if it asked."""
        used_s = 0.0
        for hop in range(MAX_REDIRECTS + 1):
            if not is_robots and (refused := await self._refused(url)) is not None:
                return Fetched(outcome=refused, final_url=url, attempts=min(hop, 1))
            host = self._host(url)
            async with host.slots:
                await asyncio.sleep(max(0.0, host.not_before - time.monotonic()))
                await hand.enter_async_context(self._places)
                began = time.monotonic()
                try:
                    async with asyncio.timeout(max(0.0, self._fetch.timeout_s - used_s)):
                        answer = await self._ask(url, host, is_robots=is_robots)
                except FAILURES as error:
                    answer = Fetched(outcome=outcome_of_error(error))
                used_s += time.monotonic() - began
            if isinstance(answer, Fetched):
                ms = round(used_s * 1000)
                return replace(answer, final_url=url, fetch_ms=ms, attempts=1)
            url = answer
            await hand.aclose()
        return Fetched(outcome=Outcome.TOO_MANY_REDIRECTS, final_url=url, attempts=1)

    async def _ask(self, url: str, host: _Host, *, is_robots: bool) -> Fetched | str:
        """One request: what came of it, or the URL that it redirects to."""
        async with self._session.get(URL(url, encoded=True), allow_redirects=False) as response:
            headers = response.headers
            location = headers.get("Location")
            if response.status in _REDIRECTS and location is not None:
                target = urls.join(url, _readable(location))
                return target or Fetched(outcome=Outcome.BAD_URL, http_status=response.status)
            wait_s = retry_after_s(headers.get("Retry-After"))
            if response.status in (429, 503):
                host.not_before = time.monotonic() + min(wait_s, RETRY_AFTER_CEILING_S)
            fetched = Fetched(
                outcome=outcome_of_status(response.status),
                http_status=response.status,
                content_type=_readable(headers.get("Content-Type", "")),
                etag=_readable(headers.get("ETag", "")),
                last_modified=_readable(headers.get("Last-Modified", "")),
                wait_s=wait_s,
            )
            if fetched.outcome is not Outcome.OK:
                return fetched
            if is_robots:
                return replace(fetched, data=await read_start(response, robots.MAX_BYTES))
            signals = signals_from_headers(headers.items(), "image", self._crawl.agent)
            fetched = replace(fetched, optout=signals)
            if forbids(signals, self._crawl.optout):
                return replace(fetched, outcome=Outcome.OPTED_OUT)
            try:
                return replace(fetched, data=await read_image(response, self._fetch.max_bytes))
            except FAILURES as error:
                return replace(fetched, outcome=outcome_of_error(error))

    async def _refused(self, url: str) -> Outcome | None:
        """Why robots.txt keeps us from this URL, if it does."""
        origin = urls.origin_of(url)
        if origin not in self._origins and len(self._origins) >= _MAX_ORIGINS:
            del self._origins[next(iter(self._origins))]
        entry = self._origins.setdefault(origin, _Origin())
        async with entry.lock:
            if entry.good_until <= time.monotonic():
                entry.rules = await self._load_rules(origin)
                is_failure = isinstance(entry.rules, Outcome)
                live_s = _FAILURES_LIVE_S if is_failure else _RULES_LIVE_S
                entry.good_until = time.monotonic() + live_s
        if isinstance(entry.rules, Outcome):
            return entry.rules
        return None if entry.rules.allows(self._crawl.agent, url) else Outcome.ROBOTS

    async def _load_rules(self, origin: str) -> Rules | Outcome:
        async with AsyncExitStack() as hand:
            got = await self._retried(f"{origin}/robots.txt", hand, is_robots=True)
        match got.outcome:
            case Outcome.OK | Outcome.HTTP_4XX | Outcome.HTTP_5XX:
                return Rules.from_response(got.http_status, got.data)
            case Outcome.TOO_MANY_REDIRECTS | Outcome.BAD_URL:
                return Rules.from_response(404, b"")  # RFC 9309 §2.3.1.2: as if it were absent
            case _ if urls.origin_of(got.final_url) == origin:
                return got.outcome  # the images would fail likewise: say how, not "robots"
            case _:
                return Outcome.ROBOTS

    def _host(self, url: str) -> _Host:
        name = urls.host_of(url)
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _Host(self._fetch.per_host)
        return host

    def _make_socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, peer = address
        if not self._guard.permits(str(peer[0])):
            raise AddressRefused(f"{peer[0]} is not a public address")
        return socket.socket(family, kind, protocol)


def _readable(value: str) -> str:
    """A header as text that can be stored: bytes outside UTF-8 replaced, cut at a sane length."""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text[:_HEADER_CHARACTERS]
