"""How pages are downloaded: Scrapy's own HTTP/1.1 handler with two things that it lacks.

The head of an answer is bounded (Twisted bounds a line, but not how many come), and the guard
against private addresses sits in the resolver of the very reactor that connects. It is put there by
the handler and not by the setting TWISTED_DNS_RESOLVER, because Scrapy reads that setting before an
add-on can speak.
"""

from typing import Any, Self

from scrapy.core.downloader.handlers import http11
from scrapy.crawler import Crawler
from scrapy.http import Request, Response
from scrapy.utils.misc import build_from_crawler
from twisted.web._newclient import HEADER, STATUS

from webpairs_crawler.live.resolver import GuardedResolver

MAX_HEAD_BYTES = 262_144
"""Of status line and headers together, answers 1xx before them included; browsers stop there too
(Chromium, net/http/http_stream_parser.h)."""


class GuardedHandler(http11.HTTP11DownloadHandler):  # type: ignore[misc]
    """The download handler of http and https."""

    lazy = False

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        from twisted.internet import reactor

        self._reactor = reactor
        self._resolver = build_from_crawler(GuardedResolver, crawler, reactor=reactor)
        self._pool._factory = _BoundedFactory

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way of making a component."""
        return cls(crawler)

    async def download_request(self, request: Request) -> Response:
        """Download, through the guard."""
        if self._reactor.nameResolver is not self._resolver:
            self._resolver.install_on_reactor()
        response: Response = await super().download_request(request)
        return response


class _BoundedProtocol(http11._LenientHTTP11ClientProtocol):  # type: ignore[misc]
    _n_head_bytes = 0

    def request(self, request: Any) -> Any:
        self._n_head_bytes = 0
        return super().request(request)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        super().dataReceived(data)
        parser = self._parser
        if parser is None or parser.state not in (STATUS, HEADER):
            return
        self._n_head_bytes += len(data)
        if self._n_head_bytes > MAX_HEAD_BYTES:
            self.transport.abortConnection()


class _BoundedFactory(http11._LenientHTTP11ClientFactory):  # type: ignore[misc]
    def buildProtocol(self, addr: Any) -> _BoundedProtocol:  # noqa: N802 - Twisted's name
        del addr
        return _BoundedProtocol(self._quiescentCallback)
