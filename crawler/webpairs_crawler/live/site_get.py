"""robots.txt and the other files of a site, fetched with the engine that fetches the pages."""

import asyncio

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import StopDownload
from scrapy.http import Request, Response
from scrapy.http.request import NO_CALLBACK

from webpairs_core.records import Outcome
from webpairs_crawler.live.failures import NETWORK_ERRORS, can_heal, outcome_of, pause_before
from webpairs_crawler.live.marks import SITE_FILE, is_site_file
from webpairs_crawler.optout.site import SiteAnswer
from webpairs_crawler.web.urls import host_of, join

MAX_REDIRECTS = 5
"""RFC 9309 §2.3.1.2."""


class EngineGet:
    """The `Get` of `webpairs_crawler.optout.site` over Scrapy's engine."""

    def __init__(self, crawler: Crawler, retries: int) -> None:
        self._crawler = crawler
        self._retries = retries
        crawler.signals.connect(self._cut, signals.bytes_received)
        self._n_bytes: dict[Request, int] = {}

    async def __call__(self, url: str, max_bytes: int) -> SiteAnswer | Outcome:
        """The first `max_bytes` of what lies at this URL, or the outcome that kept it away.

        A robots.txt that may heal is asked for again: its site would be lost for minutes.
        """
        n_retries = self._retries if url.endswith("/robots.txt") else 0
        for attempt in range(n_retries + 1):
            answer = await self._follow(url, max_bytes)
            outcome = answer if isinstance(answer, Outcome) else None
            if not can_heal(outcome, 0 if isinstance(answer, Outcome) else answer.status):
                break
            if attempt < n_retries:
                await asyncio.sleep(pause_before(attempt + 1))
        return answer

    async def _follow(self, url: str, max_bytes: int) -> SiteAnswer | Outcome:
        target: str | None = url
        for _ in range(MAX_REDIRECTS + 1):
            if target is None:
                return Outcome.PROTOCOL
            response = await self._download(target, max_bytes)
            if isinstance(response, Outcome):
                return response
            if not 300 <= response.status < 400:
                headers = tuple(header_pairs(response))
                return SiteAnswer(response.status, response.body[:max_bytes], headers)
            location = response.headers.get("Location", b"").decode("utf-8", "replace")
            target = join(target, location) if location else None
        return Outcome.TOO_MANY_REDIRECTS

    async def _download(self, url: str, max_bytes: int) -> Response | Outcome:
        meta = {SITE_FILE: max_bytes, "verbatim_url": True}
        request = Request(url, meta=meta, callback=NO_CALLBACK)
        try:
            return await self._crawler.engine.download_async(request)
        except NETWORK_ERRORS as error:
            return outcome_of(error, host_of(url).strip("[]"))
        finally:
            self._n_bytes.pop(request, None)

    def _cut(self, data: bytes, request: Request) -> None:
        if not is_site_file(request):
            return
        n_bytes = self._n_bytes.get(request, 0) + len(data)
        self._n_bytes[request] = n_bytes
        if n_bytes >= request.meta[SITE_FILE]:
            raise StopDownload(fail=False)


def header_pairs(response: Response) -> list[tuple[str, str]]:
    """The headers of an answer, in Latin-1 as HTTP clients read them."""
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name in response.headers
        for value in response.headers.getlist(name)
    ]
