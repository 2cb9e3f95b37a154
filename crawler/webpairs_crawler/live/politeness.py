"""The Scrapy middleware that asks a site what it wants, before a page and after each answer.

Before: robots.txt and the other files of the site (`webpairs_crawler.optout.site`), Crawl-delay.
After: Retry-After, the pace that the host can bear, and repeats. It stands in for Scrapy's
RobotsTxtMiddleware (which reads any status as rules), RetryMiddleware and AutoThrottle (which know
neither Retry-After nor a frontier that outlives the process).
"""

import asyncio
import logging
import time
from typing import Any, Self

from scrapy.crawler import Crawler
from scrapy.http import Request, Response

from webpairs_core.records import Outcome
from webpairs_crawler.frontier.pace import MAX_DELAY_S
from webpairs_crawler.live.failures import (
    KeptAway,
    can_heal,
    outcome_of,
    pause_before,
    retry_after_s,
)
from webpairs_crawler.live.marks import ASK, REPEAT_AFTER_S, SITE, is_site_file
from webpairs_crawler.live.settings_of import section_of
from webpairs_crawler.live.site_get import EngineGet
from webpairs_crawler.optout.site import Site, Sites
from webpairs_crawler.web.urls import host_of

log = logging.getLogger(__name__)

_WAIT_STATUSES = (429, 503)
_DONT_RETRY = "dont_retry"
"""Scrapy's own meta key."""


class Politeness:
    """A downloader middleware, for our spider and for other people's."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._section = section_of(crawler.settings)
        self._sites = Sites(EngineGet(crawler, self._section.retries), self._section)
        self._free_at: dict[str, float] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way of making a component."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Let a request pass, with the site's `Site` in its meta; raise KeptAway otherwise."""
        try:
            await self._let_pass(request)
        except KeptAway as kept:  # Scrapy counts these and says nothing
            log.debug("Kept away from %s: %s", request.url, kept.outcome)
            raise

    async def _let_pass(self, request: Request) -> None:
        if request.meta.get("proxy"):
            # The guard would judge the proxy's address, and never the page's.
            raise KeptAway(Outcome.REFUSED_PRIVATE)
        if is_site_file(request):
            return
        if not request.url.startswith(("http://", "https://")):
            raise KeptAway(Outcome.BAD_URL)
        site = await self._sites.of(request.url)
        if isinstance(site, Outcome):
            # Unreachable means forbidden, and the same would keep the page away: so say that.
            request.meta[_DONT_RETRY] = True
            raise KeptAway(site)
        refusal = site.refusal(request.url)
        if refusal is not None:
            request.meta[SITE] = site
            request.meta[_DONT_RETRY] = True
            raise KeptAway(refusal)
        request.meta[SITE] = site
        await self._keep_distance(request, site)

    def process_response(self, request: Request, response: Response) -> Response | Request:
        """Note how the host gets on; a repeat for what may heal."""
        if is_site_file(request):
            return response
        host = host_of(request.url)
        is_busy = response.status in _WAIT_STATUSES
        latency_s = request.meta.get("download_latency", 0.0)
        frontier = self._crawler.engine.scheduler.frontier
        frontier.observe(host, latency_s, response.status < 500 and not is_busy)
        wait_s = 0.0
        if is_busy:
            value = response.headers.get("Retry-After", b"").decode("latin-1")
            wait_s = retry_after_s(value)
            if wait_s:
                frontier.pause(host, wait_s)
        if can_heal(None, response.status):
            return self._repeat(request, wait_s) or response
        return response

    def process_exception(self, request: Request, exception: Exception) -> Request | None:
        """A repeat for what may heal."""
        if is_site_file(request) or isinstance(exception, KeptAway):
            return None
        host = host_of(request.url)
        outcome = outcome_of(exception, host.strip("[]"))
        if outcome is Outcome.TIMEOUT:
            frontier = self._crawler.engine.scheduler.frontier
            frontier.observe(host, self._section.timeout_s, False)
        return self._repeat(request, 0.0) if can_heal(outcome) else None

    def _repeat(self, request: Request, wait_s: float) -> Request | None:
        """A copy that the scheduler puts back into the frontier; None when there were enough."""
        ask = request.meta.get(ASK)
        if ask is None or request.meta.get(_DONT_RETRY) or ask.attempts >= self._section.retries:
            return None
        copy = request.copy()
        copy.meta[REPEAT_AFTER_S] = max(wait_s, pause_before(ask.attempts + 1))
        return copy

    async def _keep_distance(self, request: Request, site: Site) -> None:
        """Crawl-delay: the frontier spaces what comes, this the requests that it let go before
        anybody knew of the delay."""
        if not site.crawl_delay_s:
            return
        delay_s = min(site.crawl_delay_s, MAX_DELAY_S)
        host, now = host_of(request.url), time.monotonic()
        self._crawler.engine.scheduler.frontier.set_delay(host, delay_s)
        free_at = max(now, self._free_at.get(host, 0.0))
        self._free_at[host] = free_at + delay_s
        if free_at > now:
            await asyncio.sleep(free_at - now)


def site_signals(request: Request, where: str) -> tuple[str, ...]:
    """The opt-out signals of the site that let this request pass."""
    site: Any = request.meta.get(SITE)
    return site.signals(request.url, where) if site is not None else ()


def site_sitemaps(request: Request) -> tuple[str, ...]:
    """The sitemaps that the robots.txt of the request's site names."""
    site: Any = request.meta.get(SITE)
    return tuple(site.sitemaps) if site is not None else ()
