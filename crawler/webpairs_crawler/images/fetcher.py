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
from typing import Literal, Self

import aiohttp
import msgspec
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
)
from webpairs_crawler.images.bodies import read_image, read_start
from webpairs_crawler.images.hosts import CRAWL_DELAY_CEILING_S, Host, Hosts
from webpairs_crawler.options import CrawlSection, FetchSection
from webpairs_crawler.optout.signals import forbids, signals_from_headers
from webpairs_crawler.optout.site import SiteAnswer, Sites, Where
from webpairs_crawler.web import urls
from webpairs_crawler.web.guard import make_guard
from webpairs_crawler.web.http import retry_after_s

MAX_REDIRECTS = 5
RETRY_AFTER_CEILING_S = 60.0
"""A host that asks for a longer pause is not asked again in this run of the URL."""
_FIRST_PAUSE_S = 0.5
"""Before the first repeat; doubled before each further one."""
_DNS_THREADS = 32
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADER_CHARACTERS = 500


class _Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a URL."""

    where: Where | None
    """None: a file that says what may be fetched, which needs nobody's leave itself."""
    method: Literal["GET", "HEAD"] = "GET"
    max_bytes: int = 0
    """Of the body; 0: the headers are enough."""

    @property
    def accept(self) -> str:
        """The Accept header."""
        if self.where == "image":
            return "image/avif,image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8"
        return "*/*"


class _Leave(msgspec.Struct, frozen=True, kw_only=True):
    """What a site says of one of its URLs."""

    refused: Outcome | None = None
    is_for_now: bool = False
    signals: tuple[str, ...] = ()
    delay_s: float = 0.0


class Fetcher:
    """`async with Fetcher(...) as fetcher: async with fetcher.fetch(url) as fetched: ...`."""

    def __init__(self, crawl: CrawlSection, fetch: FetchSection) -> None:
        self._crawl = crawl
        self._fetch = fetch
        self._guard = make_guard(crawl.private_networks)
        self._hosts = Hosts(fetch.per_host)
        self._sites = Sites(self._site_file, crawl)
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
        errand = _Errand(where="image", max_bytes=self._fetch.max_bytes)
        async with AsyncExitStack() as hand:
            clean = urls.canonical(url)
            if clean is None:
                yield Fetched(outcome=Outcome.BAD_URL, final_url=url)
            else:
                yield await self._retried(clean, hand, errand)

    async def ask(self, url: str, where: Where) -> Fetched:
        """What a URL answers now, without its body: outcome, status, opt-out signals.

        HEAD first; GET, whose body is left unread, where HEAD gets no good answer: too many
        servers do not know it. Never raises for what the web does.
        """
        clean = urls.canonical(url)
        if clean is None:
            return Fetched(outcome=Outcome.BAD_URL, final_url=url)
        async with AsyncExitStack() as hand:
            answer = await self._attempt(clean, hand, _Errand(where=where, method="HEAD"))
        if not answer.attempts or answer.outcome in (Outcome.OK, Outcome.OPTED_OUT):
            return answer
        async with AsyncExitStack() as hand:
            return await self._retried(clean, hand, _Errand(where=where))

    async def _site_file(self, url: str, max_bytes: int) -> SiteAnswer | Outcome:
        """A site's robots.txt or another file of that kind, for `Sites`."""
        async with AsyncExitStack() as hand:
            got = await self._retried(url, hand, _Errand(where=None, max_bytes=max_bytes))
        match got.outcome:
            case Outcome.OK | Outcome.HTTP_4XX | Outcome.HTTP_5XX:
                return SiteAnswer(got.http_status, got.data)
            case Outcome.TOO_MANY_REDIRECTS | Outcome.BAD_URL:
                return got.outcome
            case _ if urls.origin_of(got.final_url) == urls.origin_of(url):
                return got.outcome  # the images would fail likewise: say how, not "robots"
            case _:
                return Outcome.ROBOTS

    async def _retried(self, url: str, hand: AsyncExitStack, errand: _Errand) -> Fetched:
        pause_s = _FIRST_PAUSE_S
        for repeats_left in range(self._fetch.retries, -1, -1):
            fetched = await self._attempt(url, hand, errand)
            attempts = self._fetch.retries - repeats_left + (1 if fetched.attempts else 0)
            fetched = replace(fetched, attempts=attempts)
            is_over = not fetched.attempts or fetched.wait_s > RETRY_AFTER_CEILING_S
            if not repeats_left or is_over or not can_heal(fetched):
                break
            await hand.aclose()
            await asyncio.sleep(max(pause_s, fetched.wait_s))
            pause_s *= 2
        return fetched

    async def _attempt(self, url: str, hand: AsyncExitStack, errand: _Errand) -> Fetched:
        """Ask once and follow redirects. `hand` holds a place when this returns, if it asked."""
        used_s = 0.0
        signals: set[str] = set()
        for hop in range(MAX_REDIRECTS + 1):
            leave = await self._leave(url, errand.where)
            signals.update(leave.signals)
            if leave.refused is not None:
                return Fetched(
                    outcome=leave.refused,
                    is_for_now=leave.is_for_now,
                    final_url=url,
                    optout=tuple(sorted(signals)),
                    attempts=min(hop, 1),
                )
            host = self._hosts.of(url)
            async with host.slots:
                await host.turn(leave.delay_s)
                await hand.enter_async_context(self._places)
                began = time.monotonic()
                try:
                    async with asyncio.timeout(max(0.0, self._fetch.timeout_s - used_s)):
                        answer = await self._ask(url, host, errand)
                except FAILURES as error:
                    answer = Fetched(outcome=outcome_of_error(error))
                used_s += time.monotonic() - began
            if isinstance(answer, Fetched):
                ms = round(used_s * 1000)
                seen = tuple(sorted({*signals, *answer.optout}))
                return replace(answer, final_url=url, fetch_ms=ms, attempts=1, optout=seen)
            url = answer
            await hand.aclose()
        return Fetched(outcome=Outcome.TOO_MANY_REDIRECTS, final_url=url, attempts=1)

    async def _ask(self, url: str, host: Host, errand: _Errand) -> Fetched | str:
        """One request: what came of it, or the URL that it redirects to."""
        async with self._session.request(
            errand.method,
            URL(url, encoded=True),
            allow_redirects=False,
            headers={"Accept": errand.accept},
        ) as response:
            headers = response.headers
            location = headers.get("Location")
            if response.status in _REDIRECTS and location is not None:
                target = urls.join(url, _readable(location))
                return target or Fetched(outcome=Outcome.BAD_URL, http_status=response.status)
            wait_s = retry_after_s(headers.get("Retry-After"))
            if response.status in (429, 503):
                host.pause(min(wait_s, RETRY_AFTER_CEILING_S))
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
            return await self._read(response, fetched, errand)

    async def _read(
        self, response: aiohttp.ClientResponse, fetched: Fetched, errand: _Errand
    ) -> Fetched:
        """What a good answer says, with as much of its body as is wanted."""
        if errand.where is None:
            return replace(fetched, data=await read_start(response, errand.max_bytes))
        agent = self._crawl.agent
        signals = signals_from_headers(response.headers.items(), errand.where, agent)
        fetched = replace(fetched, optout=signals)
        if forbids(signals, self._crawl.optout):
            return replace(fetched, outcome=Outcome.OPTED_OUT)
        if not errand.max_bytes:
            return fetched
        try:
            return replace(fetched, data=await read_image(response, errand.max_bytes))
        except FAILURES as error:
            return replace(fetched, outcome=outcome_of_error(error))

    async def _leave(self, url: str, where: Where | None) -> _Leave:
        """What the URL's site says before it is asked for."""
        if where is None:
            return _Leave()
        site = await self._sites.of(url)
        if isinstance(site, Outcome):
            return _Leave(refused=site, is_for_now=True)
        delay_s = min(site.crawl_delay_s or 0.0, CRAWL_DELAY_CEILING_S)
        return _Leave(
            refused=site.refusal(url, where),
            is_for_now=site.is_closed_for_now,
            signals=site.signals(url, where),
            delay_s=max(delay_s, self._crawl.delay_s) if where == "page" else delay_s,
        )

    def _make_socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, peer = address
        if not self._guard.permits(str(peer[0])):
            raise AddressRefused(f"{peer[0]} is not a public address")
        return socket.socket(family, kind, protocol)


def _readable(value: str) -> str:
    """A header as text that can be stored: bytes outside UTF-8 replaced, cut at a sane length."""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text[:_HEADER_CHARACTERS]
