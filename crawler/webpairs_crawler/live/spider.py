"""The Scrapy spider: pages go in, committed parts of pages and pairs come out.

Scrapy brings the HTTP client, the retries and the slots for each host. Order, robots.txt, addresses
and storage are ours: its scheduler loses pages when the process is killed, and its order depends on
time. Runs in a process of its own (`crawl_pages`), because a reactor can be started only once.
"""

import logging
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import msgspec
import scrapy
from scrapy import signals
from scrapy.core.scheduler import BaseScheduler
from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.exceptions import StopDownload
from scrapy.http import Headers, Request, Response

from webpairs_core.errors import WebpairsError
from webpairs_core.ledger import Stage
from webpairs_core.process import die_with_parent
from webpairs_core.records import Outcome, TextSource
from webpairs_crawler.frontier.frontier import (
    MAX_REDIRECTS,
    REDIRECT,
    Answer,
    Ask,
    CrawlPlan,
    Frontier,
)
from webpairs_crawler.live.failures import outcome_of
from webpairs_crawler.live.page_parts import PageParts, PageRow, committed_pages
from webpairs_crawler.live.robots_gate import IS_ROBOTS, RobotsRefused
from webpairs_crawler.live.scrapy_settings import scrapy_settings
from webpairs_crawler.options import CrawlSection
from webpairs_crawler.page.extract import Page, PageSource, read_page
from webpairs_crawler.web.urls import host_of, join

log = logging.getLogger(__name__)

NOT_HTML = "not_html"
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_REPORT_EVERY_S = 0.5
_SHORT_BYTES = 65_536


class CrawlJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the crawling process is told."""

    section: CrawlSection
    plan: CrawlPlan
    stage: Stage


class CrawlProgress(msgspec.Struct, frozen=True):
    """What the crawling process tells while it works."""

    n_pages: int
    n_pairs: int
    n_queued: int


def crawl_pages(job: CrawlJob, channel: Connection) -> None:
    """Crawl until nothing is left to ask for; sends CrawlProgress, and last None or what went
    wrong.

    The main function of a spawned process. On SIGTERM it commits what is there and exits with 130.
    """
    die_with_parent()
    logging.getLogger("scrapy").setLevel(logging.CRITICAL)
    logging.getLogger("twisted").setLevel(logging.CRITICAL)
    process = AsyncCrawlerProcess(scrapy_settings(job.section))
    work = _Work(job, channel)
    signal.signal(signal.SIGTERM, lambda *_: _in_reactor(work.interrupt))
    process.crawl(PageSpider, work=work)
    process.start(install_signal_handlers=False)
    work.finish()


class _Work:
    """The state of one crawl, shared by scheduler and spider."""

    def __init__(self, job: CrawlJob, channel: Connection) -> None:
        known = {row.url: Answer(row.outcome, row.links) for row in committed_pages(job.stage)}
        self.section = job.section
        self.frontier = Frontier(job.plan, known)
        self._parts = PageParts(job.stage, job.section.pages_per_part)
        self._channel = channel
        self._n_pages = self._n_pairs = 0
        self._reported = 0.0

    def record(self, ask: Ask, outcome: str, status: int, page: Page) -> None:
        """Keep a page and go on from it."""
        row = PageRow(
            url=ask.url,
            depth=ask.depth,
            outcome=outcome,
            http_status=status,
            n_images=page.n_images,
            n_pairs=len(page.pairs),
            unpaired=page.unpaired,
            links=page.links,
            optout=page.optout,
        )
        self._parts.add(row, page.pairs)
        self.frontier.answer(ask.url, Answer(outcome, page.links))
        self._n_pages += 1
        self._n_pairs += len(page.pairs)
        now = time.monotonic()
        if now - self._reported > _REPORT_EVERY_S:
            self._reported = now
            self._channel.send(CrawlProgress(self._n_pages, self._n_pairs, self.frontier.n_queued))

    def finish(self) -> None:
        """Commit the last part and say that the crawl is done."""
        try:
            self._parts.commit()
        except WebpairsError as error:
            self.abort(error)
        self._channel.send(CrawlProgress(self._n_pages, self._n_pairs, 0))
        self._channel.send(None)

    def interrupt(self) -> None:
        """Commit what is there and end this process; what is on its way is asked for again."""
        self._parts.commit()
        os._exit(130)

    def abort(self, error: BaseException) -> NoReturn:
        """End this process for a fault of ours, not of the web: a full disk, a bug."""
        if isinstance(error, WebpairsError):
            self._channel.send(error)
        else:
            traceback.print_exception(error)
        os._exit(1)


class FrontierScheduler(BaseScheduler):  # type: ignore[misc]
    """Lets the engine ask the frontier. Retries come back through `enqueue_request`."""

    def __init__(self) -> None:
        self._retries: deque[Request] = deque()

    def open(self, spider: "PageSpider") -> None:
        """Called by the engine."""
        self._spider = spider

    def has_pending_requests(self) -> bool:
        """False only when the whole crawl is answered: then Scrapy closes the spider."""
        return bool(self._retries) or not self._spider.work.frontier.is_finished

    def enqueue_request(self, request: Request) -> bool:
        """Take back a request that is to be repeated."""
        self._retries.append(request)
        return True

    def next_request(self) -> Request | None:
        """The next page request, if one may be sent now."""
        if self._retries:
            return self._retries.popleft()
        ask = self._spider.work.frontier.next_ask()
        return None if ask is None else self._spider.request(ask)


class PageSpider(scrapy.Spider):  # type: ignore[misc]
    """Turns responses into pages."""

    name = "webpairs"
    work: _Work

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> "PageSpider":
        """Scrapy's way of making a spider."""
        spider: PageSpider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.on_error, signals.spider_error)
        crawler.signals.connect(spider.on_headers, signals.headers_received)
        return spider

    async def start(self) -> AsyncIterator[Request]:
        """Nothing: the frontier holds the seeds."""
        requests: tuple[Request, ...] = ()
        for request in requests:
            yield request

    def request(self, ask: Ask) -> Request:
        """The request for a page; its URL is sent as it is."""
        return Request(
            ask.url,
            callback=self.on_response,
            errback=self.on_failure,
            cb_kwargs={"ask": ask},
            meta={"verbatim_url": True},
        )

    def on_headers(self, headers: Headers, body_length: object, request: Request) -> None:
        """Stop the download of what is no page before its body comes.

        A short body is let through: to read it is cheaper than to lose the connection.
        """
        kind = headers.get("Content-Type", b"").decode("latin-1")
        if not kind or _is_html_type(kind) or request.meta.get(IS_ROBOTS):
            return
        if not isinstance(body_length, int) or body_length > _SHORT_BYTES:
            raise StopDownload(fail=False)

    def on_response(self, response: Response, ask: Ask) -> Iterator[Request]:
        """Read a page, then ask for the next one."""
        self._read(response, ask)
        yield from self._next()

    def _next(self) -> Iterator[Request]:
        # The engine asked the scheduler before this answer was known, and the answer may have begun
        # a new wave: without a request from here it would look again only at its 5 s heartbeat.
        ask = self.work.frontier.next_ask()
        if ask is not None:
            yield self.request(ask)

    def _read(self, response: Response, ask: Ask) -> None:
        status = response.status
        if 300 <= status < 400:
            self._on_redirect(response, ask)
        elif status >= 400:
            outcome = Outcome.HTTP_4XX if status < 500 else Outcome.HTTP_5XX
            self.work.record(ask, outcome, status, Page(url=ask.url))
        elif not _is_html(response):
            self.work.record(ask, NOT_HTML, status, Page(url=ask.url))
        else:
            source = PageSource(
                url=ask.url,
                headers=tuple(_header_pairs(response.headers)),
                texts=tuple(TextSource(text) for text in self.work.section.texts),
                agent=self.work.section.agent,
                fetched_at=datetime.now(UTC),
            )
            self.work.record(ask, Outcome.OK, status, read_page(response.body, source))

    def _on_redirect(self, response: Response, ask: Ask) -> None:
        location = response.headers.get("Location", b"").decode("utf-8", "replace")
        target = join(ask.url, location) if location else None
        if target is None:
            self.work.record(ask, Outcome.PROTOCOL, response.status, Page(url=ask.url))
        elif ask.hop == MAX_REDIRECTS:
            page = Page(url=ask.url)
            self.work.record(ask, Outcome.TOO_MANY_REDIRECTS, response.status, page)
        else:
            page = Page(url=ask.url, links=(target,))
            self.work.record(ask, REDIRECT, response.status, page)

    def on_failure(self, failure: Any) -> Iterator[Request]:
        """Record what kept a page away, then ask for the next one."""
        ask: Ask = failure.request.cb_kwargs["ask"]
        host = host_of(ask.url).strip("[]")
        is_refused = failure.check(RobotsRefused)
        outcome = Outcome.ROBOTS if is_refused else outcome_of(failure.value, host)
        self.work.record(ask, outcome, 0, Page(url=ask.url))
        yield from self._next()

    def on_error(self, failure: Any) -> None:
        """Called for what our own code raised: Scrapy would log it and go on with a page lost."""
        self.work.abort(failure.value)


def _is_html_type(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in _HTML_TYPES


def _is_html(response: Response) -> bool:
    kind = response.headers.get("Content-Type", b"").decode("latin-1")
    if kind:
        return _is_html_type(kind)
    return bool(response.body.lstrip(b"\xef\xbb\xbf \t\r\n\f").startswith(b"<"))


def _header_pairs(headers: Headers) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name in headers
        for value in headers.getlist(name)
    ]


def _in_reactor(work: Any) -> None:
    from twisted.internet import reactor

    reactor.callFromThread(work)
