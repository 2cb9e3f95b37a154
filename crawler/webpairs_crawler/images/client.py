"""One request over HTTP, by aiohttp: what the server answered, or how it failed.

Addresses are checked where the socket is made: literal addresses, redirects and names that change
their address pass the same check (aiohttp asks no resolver about literal addresses).
"""

import asyncio
import socket
from time import monotonic
from types import SimpleNamespace
from typing import Any, Self

import aiohttp
from aiohttp import AddrInfoType
from msgspec.structs import replace
from yarl import URL

from webpairs_core.records import Outcome
from webpairs_crawler.images.answers import (
    FAILURES,
    AddressRefused,
    Fetched,
    Timing,
    outcome_of_error,
    outcome_of_status,
)
from webpairs_crawler.images.bodies import read_image, read_start
from webpairs_crawler.images.errand import Wanted
from webpairs_crawler.images.resolver import Resolver
from webpairs_crawler.options import CrawlSection, FetchSection
from webpairs_crawler.optout.signals import forbids, signals_from_headers
from webpairs_crawler.web import urls
from webpairs_crawler.web.guard import make_guard
from webpairs_crawler.web.http import retry_after_s

_REDIRECTS = (301, 302, 303, 307, 308)
_HEADER_CHARACTERS = 500
_MAX_LOOKUPS = 512
"""Threads at most; there are as many as names that are being looked up."""
_KEEPALIVE_S = 10.0
"""How long a connection that nobody uses stays open: a broad list meets hundreds of hosts in it."""


class Client:
    """`async with Client(crawl, fetch) as client: await client.ask(url, wanted, timeout_s)`."""

    def __init__(self, crawl: CrawlSection, fetch: FetchSection) -> None:
        self._crawl = crawl
        self._fetch = fetch
        self._guard = make_guard(crawl.private_networks)

    async def __aenter__(self) -> Self:
        # A name that hangs keeps its thread: with fewer than requests, good names would wait.
        self._resolver = Resolver(threads=min(self._fetch.concurrency, _MAX_LOOKUPS))
        connector = _Connector(
            limit=0,  # the schedule limits
            ssl=True,  # aiohttp's one context: making another parses all root certificates anew
            resolver=self._resolver,
            use_dns_cache=False,  # the resolver has one that is bounded and knows dead names
            keepalive_timeout=_KEEPALIVE_S,
            socket_factory=self._make_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, connect=self._fetch.connect_timeout_s),
            headers={
                "User-Agent": self._crawl.agent,
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # bodies.py does it, with a cap
            trust_env=False,  # behind a proxy the guard would see the proxy's address only
            trace_configs=[_stopwatch()],
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()
        await self._resolver.close()

    async def ask(self, url: str, wanted: Wanted, timeout_s: float) -> Fetched | str:
        """Make one request: what came of it, or the URL that it redirects to.

        Never raises for what the web does.
        """
        began = monotonic()
        marks = _Marks()
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                answer = await self._ask(url, wanted, marks)
        except FAILURES as error:
            answer = Fetched(outcome=outcome_of_error(error))
        if isinstance(answer, str):
            return answer
        return replace(answer, timing=marks.timing(began, monotonic()))

    async def _ask(self, url: str, wanted: Wanted, marks: "_Marks") -> Fetched | str:
        async with self._session.request(
            wanted.method,
            URL(url, encoded=True),
            allow_redirects=False,
            headers=wanted.headers(),
            trace_request_ctx=marks,
        ) as response:
            marks.answered = monotonic()
            headers = response.headers
            location = headers.get("Location")
            if response.status in _REDIRECTS and location is not None:
                target = urls.join(url, _target(location))
                return target or Fetched(outcome=Outcome.BAD_URL, http_status=response.status)
            is_unchanged = response.status == 304 and bool(wanted.etag or wanted.last_modified)
            fetched = Fetched(
                outcome=Outcome.OK if is_unchanged else outcome_of_status(response.status),
                http_status=response.status,
                content_type=_readable(headers.get("Content-Type", "")),
                etag=_readable(headers.get("ETag", "")),
                last_modified=_readable(headers.get("Last-Modified", "")),
                wait_s=retry_after_s(headers.get("Retry-After")),
                is_unchanged=is_unchanged,
            )
            if fetched.outcome is not Outcome.OK:
                return fetched
            return await self._read(response, fetched, wanted)

    async def _read(
        self, response: aiohttp.ClientResponse, fetched: Fetched, wanted: Wanted
    ) -> Fetched:
        """What a good answer says, with as much of its body as is wanted."""
        if wanted.where is None:
            return replace(fetched, data=await read_start(response, wanted.max_bytes))
        signals = signals_from_headers(response.headers.items(), wanted.where, self._crawl.agent)
        fetched = replace(fetched, optout=signals)
        if forbids(signals, self._crawl.optout):
            return replace(fetched, outcome=Outcome.OPTED_OUT)
        if not wanted.max_bytes or fetched.is_unchanged:
            return fetched
        try:
            return replace(fetched, data=await read_image(response, wanted.max_bytes))
        except FAILURES as error:
            return replace(fetched, outcome=outcome_of_error(error))

    def _make_socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, peer = address
        if not self._guard.permits(str(peer[0])):
            raise AddressRefused(f"{peer[0]} is not a public address")
        return socket.socket(family, kind, protocol)


class _Marks:
    """The moments of one request, in monotonic seconds; 0 for what did not happen."""

    __slots__ = ("answered", "asked_dns", "connected", "connecting", "got_dns")

    def __init__(self) -> None:
        self.asked_dns = self.got_dns = self.connecting = self.connected = self.answered = 0.0

    def timing(self, began: float, ended: float) -> Timing:
        dns_s = (self.got_dns or ended) - self.asked_dns if self.asked_dns else 0.0
        made_s = (self.connected or ended) - self.connecting if self.connecting else 0.0
        is_connected = not self.connecting or self.connected
        sent = self.connected or began
        first_byte_s = (self.answered or ended) - sent if is_connected else 0.0
        body_s = ended - self.answered if self.answered else 0.0
        connect_s = max(0.0, made_s - dns_s)
        return Timing(*(round(s * 1000) for s in (dns_s, connect_s, first_byte_s, body_s)))


def _stopwatch() -> aiohttp.TraceConfig:
    """Notes when the name and the connection of a request were asked for and had."""

    def note(mark: str) -> Any:
        async def on_event(_session: object, context: SimpleNamespace, _params: object) -> None:
            setattr(context.trace_request_ctx, mark, monotonic())

        return on_event

    config = aiohttp.TraceConfig()
    config.on_connection_create_start.append(note("connecting"))
    config.on_connection_create_end.append(note("connected"))
    config.on_dns_resolvehost_start.append(note("asked_dns"))
    config.on_dns_resolvehost_end.append(note("got_dns"))
    return config


class _Connector(aiohttp.TCPConnector):
    """aiohttp's, but an idle connection on which the server spoke unasked is not used again: its
    words would be taken for the answer to the next request, a picture under another URL."""

    async def _get(self, key: Any, traces: Any) -> Any:
        idle = self._conns.get(key)
        for pair in [pair for pair in idle or () if pair[0].should_close]:
            self._conns[key].remove(pair)
            pair[0].close()
        if idle is not None and not idle:
            del self._conns[key]
        return await super()._get(key, traces)


def _target(location: str) -> str:
    """A Location as browsers read it: whole (signed addresses are long), with what is not UTF-8
    percent-encoded byte by byte."""
    raw = location.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)


def _readable(value: str) -> str:
    """A header as text that can be stored: bytes outside UTF-8 replaced, cut at a sane length."""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text[:_HEADER_CHARACTERS]
