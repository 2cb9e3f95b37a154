"""The Scrapy middleware that asks robots.txt before each page.

Not Scrapy's own: that one reads any status as rules, so a broken server would mean that all is
allowed (RFC 9309 says the opposite), and it knows no Crawl-delay.
"""

import asyncio
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Request
from scrapy.http.request import NO_CALLBACK

from webpairs_crawler.live.failures import NETWORK_ERRORS
from webpairs_crawler.optout.robots import MAX_REDIRECTS, Rules
from webpairs_crawler.web.urls import host_of, join, origin_of

IS_ROBOTS = "is_robots"
"""The meta key of our own requests for robots.txt."""
MAX_CRAWL_DELAY_S = 30.0
"""A longer Crawl-delay is cut: it would stop a crawl as surely as a Disallow, without saying so."""


class RobotsRefused(IgnoreRequest):  # type: ignore[misc]
    """robots.txt forbids this page."""


class RobotsGate:
    """A downloader middleware. Rules are fetched once for each origin."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._agent: str = crawler.settings["USER_AGENT"]
        self._rules: dict[str, asyncio.Task[Rules | BaseException]] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way of making a component."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Let a page request pass; raise RobotsRefused, or what kept robots.txt from us."""
        if request.meta.get(IS_ROBOTS):
            return
        origin = origin_of(request.url)
        if origin not in self._rules:
            self._rules[origin] = asyncio.ensure_future(self._fetch(origin))
        rules = await self._rules[origin]
        if isinstance(rules, BaseException):
            # Unreachable means forbidden, and the same will keep the page away: so say that.
            request.meta["dont_retry"] = True
            raise rules
        if not rules.allows(self._agent, request.url):
            raise RobotsRefused(request.url)
        self._slow_down(request.url, rules)

    async def _fetch(self, origin: str) -> Rules | BaseException:
        url: str | None = f"{origin}/robots.txt"
        for _ in range(MAX_REDIRECTS + 1):
            if url is None:
                break
            meta: dict[str, Any] = {IS_ROBOTS: True, "verbatim_url": True}
            request = Request(url, meta=meta, callback=NO_CALLBACK)
            try:
                response = await self._crawler.engine.download_async(request)
            except NETWORK_ERRORS as error:
                return error
            if not 300 <= response.status < 400:
                return Rules.from_response(response.status, response.body)
            location = response.headers.get("Location", b"").decode("utf-8", "replace")
            url = join(url, location)
        return Rules.from_response(404, b"")

    def _slow_down(self, url: str, rules: Rules) -> None:
        delay = rules.crawl_delay(self._agent)
        slot = self._crawler.engine.downloader.slots.get(host_of(url).strip("[]"))
        if delay and slot is not None:
            slot.delay = max(slot.delay, min(delay, MAX_CRAWL_DELAY_S))
