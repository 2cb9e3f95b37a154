"""The live crawl: a Scrapy spider of the add-on's, in a process of its own."""

import logging
import os
import signal
import time
import traceback
from collections.abc import AsyncIterator
from http import HTTPStatus
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import msgspec
import scrapy
from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.exceptions import StopDownload
from scrapy.http import Headers, Request, Response

from webpairs_core.errors import WebpairsError
from webpairs_core.ledger import Stage
from webpairs_core.process import collect_rarely, die_with_parent
from webpairs_core.records import Outcome, TextSource
from webpairs_crawler.archive.writer import Exchange
from webpairs_crawler.frontier.frontier import Frontier
from webpairs_crawler.frontier.plan import MAX_REDIRECTS, REDIRECT, SITEMAP, Answer, Ask, CrawlPlan
from webpairs_crawler.live.addon import source_of
from webpairs_crawler.live.failures import outcome_of, outcome_of_status
from webpairs_crawler.live.marks import ASK, is_site_file
from webpairs_crawler.live.page_parts import PageParts, PageRecord, PageRow, packed
from webpairs_crawler.live.politeness import site_sitemaps
from webpairs_crawler.live.progress import Tally
from webpairs_crawler.live.scrapy_settings import scrapy_settings
from webpairs_crawler.options import CrawlSection
from webpairs_crawler.page.extract import Page, PageSource, read_page
from webpairs_crawler.page.sitemap import read_sitemap
from webpairs_crawler.web.http import is_html_type, looks_like_html
from webpairs_crawler.web.urls import host_of, join

log = logging.getLogger(__name__)

NOT_HTML = "not_html"
READ_SITEMAP = "sitemap"
"""The outcome of a sitemap that was read: it is no page, and counts as none."""
_SHORT_BYTES = 65_536
_LONG_READ_S = 0.2
_SHARE = 20
"""A host whose page took so long to read (real ones take milliseconds) waits so many times as long,
while others have pages: else one site of monstrous pages would take all of our time."""
_STATUSES = range(100, 1000)
"""Three digits (RFC 9112 §4). A server may send more of them than any column holds."""


class CrawlJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the crawling process is told."""

    section: CrawlSection
    plan: CrawlPlan
    stage: Stage


def crawl_pages(job: CrawlJob, channel: Connection) -> None:
    """Crawl until nothing is left to ask for; sends CrawlProgress, and last None or what went
    wrong.

    The main function of a spawned process. On SIGTERM it commits what is there and exits with 130.
    """
    die_with_parent()
    collect_rarely()
    logging.getLogger("scrapy").setLevel(logging.CRITICAL)
    logging.getLogger("twisted").setLevel(logging.CRITICAL)
    process = AsyncCrawlerProcess(scrapy_settings(job.section))
    work = _Work(job, channel)
    signal.signal(signal.SIGTERM, lambda *_: _in_reactor(work.interrupt))
    process.crawl(PageSpider, work=work)
    process.start(install_signal_handlers=False)
    work.finish()


class _Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one ask."""

    ask: Ask
    outcome: str
    page: Page
    status: int = 0
    sitemaps: tuple[str, ...] = ()
    exchange: Exchange | None = None
    """What to keep as WARC."""


class _Work:
    """The state of one crawl: its frontier, its parts, and the channel to who started it."""

    def __init__(self, job: CrawlJob, channel: Connection) -> None:
        self.section = job.section
        self._channel = channel
        try:
            self.frontier = Frontier(job.stage.work / "frontier", job.plan)
            self._parts = PageParts(job.stage, self.frontier, job.section.pages_per_part)
            self._parts.commit_if_full()
        except WebpairsError as error:
            self.abort(error)
        self._tally = Tally(self.frontier)

    def packed(self, finding: _Finding) -> bytes:
        """The record of a finding; its exchange lies in the WARC file before."""
        page, ask = finding.page, finding.ask
        length = self._parts.keep(finding.exchange) if finding.exchange else 0
        row = PageRow(
            url=ask.url,
            depth=ask.depth,
            outcome=finding.outcome,
            http_status=finding.status,
            n_images=page.n_images,
            n_pairs=len(page.pairs),
            unpaired=page.unpaired,
            links=page.links,
            optout=page.optout,
        )
        return packed(PageRecord(row=row, pairs=page.pairs, warc_length=length))

    def count(self, finding: _Finding) -> None:
        """A finding lies in the frontier: commit a part when it is full, tell how it goes."""
        self._parts.count()
        progress = self._tally.count(finding.outcome, len(finding.page.pairs))
        if progress is not None:
            self._channel.send(progress)

    def finish(self) -> None:
        """Commit the last part and say that the crawl is done."""
        try:
            self._parts.commit()
            self.frontier.close()
        except WebpairsError as error:
            self.abort(error)
        self._channel.send(self._tally.progress)
        self._channel.send(None)

    def interrupt(self) -> None:
        """Commit what is there and end this process; what is on its way is asked for again."""
        try:
            self._parts.commit()
        except WebpairsError as error:
            self.abort(error)
        os._exit(130)

    def abort(self, error: BaseException) -> NoReturn:
        """End this process for a fault of ours, not of the web: a full disk, a bug."""
        if isinstance(error, WebpairsError):
            self._channel.send(error)
        else:
            traceback.print_exception(error)
        os._exit(1)


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

    @property
    def frontier(self) -> Frontier:
        """The scheduler asks this one."""
        return self.work.frontier

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
            meta={"verbatim_url": True},
        )

    def on_headers(self, headers: Headers, body_length: object, request: Request) -> None:
        """Stop the download of what is no page before its body comes.

        A short body is let through: to read it is cheaper than to lose the connection.
        """
        kind = headers.get("Content-Type", b"").decode("latin-1")
        if not kind or is_html_type(kind) or is_site_file(request):
            return
        if request.meta[ASK].kind == SITEMAP:
            return
        if not isinstance(body_length, int) or body_length > _SHORT_BYTES:
            raise StopDownload(fail=False)

    def on_response(self, response: Response) -> None:
        """Read an answer."""
        ask: Ask = response.meta[ASK]
        began = time.monotonic()
        finding = self._found(response, ask)
        is_whole = finding.status and "download_stopped" not in response.flags
        if self.work.section.warc_out and is_whole:
            source = source_of(response, ())
            finding = msgspec.structs.replace(finding, exchange=_exchange(response, source))
        self._answer(response.request, finding)
        took_s = time.monotonic() - began
        if took_s > _LONG_READ_S and self.frontier.n_hosts > 1:
            self.frontier.pause(host_of(ask.url), _SHARE * took_s)

    def on_failure(self, failure: Any) -> None:
        """Record what kept a page away."""
        ask: Ask = failure.request.meta[ASK]
        outcome = outcome_of(failure.value, host_of(ask.url).strip("[]"))
        finding = _Finding(ask=ask, outcome=outcome, page=Page(url=ask.url))
        self._answer(failure.request, finding)

    def on_error(self, failure: Any) -> None:
        """Called for what our own code raised: Scrapy would log it and go on with a page lost."""
        self.work.abort(failure.value)

    def on_fault(self, error: WebpairsError) -> None:
        """The frontier cannot go on: the disk is full, the file is damaged."""
        self.work.abort(error)

    def _answer(self, request: Request, finding: _Finding) -> None:
        ask, page = finding.ask, finding.page
        sitemaps = finding.sitemaps
        if self.work.section.sitemaps and ask.kind != SITEMAP and ask.depth == 0:
            sitemaps = site_sitemaps(request)
        answer = Answer(finding.outcome, page.links, sitemaps, self.work.packed(finding))
        self.crawler.engine.scheduler.answer(ask, answer)
        self.work.count(finding)

    def _found(self, response: Response, ask: Ask) -> _Finding:
        status = response.status
        if status not in _STATUSES:
            return _Finding(ask=ask, outcome=Outcome.PROTOCOL, page=Page(url=ask.url))
        if 300 <= status < 400:
            return _redirected(response, ask)
        failed = outcome_of_status(status)
        if failed is not None:
            return _Finding(ask=ask, outcome=failed, page=Page(url=ask.url), status=status)
        texts = tuple(TextSource(text) for text in self.work.section.texts)
        source = msgspec.structs.replace(source_of(response, texts), url=ask.url)
        if ask.kind == SITEMAP:
            sitemap = read_sitemap(response.body, source)
            return _Finding(
                ask=ask,
                outcome=READ_SITEMAP,
                page=sitemap.page,
                status=status,
                sitemaps=sitemap.sitemaps,
            )
        if not _is_html(response):
            return _Finding(ask=ask, outcome=NOT_HTML, page=Page(url=ask.url), status=status)
        page = read_page(response.body, source)
        return _Finding(ask=ask, outcome=Outcome.OK, page=page, status=status)


def _redirected(response: Response, ask: Ask) -> _Finding:
    location = response.headers.get("Location", b"").decode("utf-8", "replace")
    target = join(ask.url, location) if location else None
    outcome: str = REDIRECT
    if target is None:
        outcome = Outcome.PROTOCOL
    elif ask.kind != SITEMAP and ask.hop >= MAX_REDIRECTS:
        outcome = Outcome.TOO_MANY_REDIRECTS
    links = (target,) if target is not None and outcome == REDIRECT else ()
    page = Page(url=ask.url, links=links)
    return _Finding(ask=ask, outcome=outcome, page=page, status=response.status)


def _exchange(response: Response, source: PageSource) -> Exchange:
    try:
        reason = HTTPStatus(response.status).phrase
    except ValueError:
        reason = ""
    return Exchange(
        url=response.meta[ASK].url,
        fetched_at=source.fetched_at,
        status=response.status,
        reason=reason,
        headers=source.headers,
        body=response.body,
        agent=source.agent,
        signals=source.signals,
    )


def _is_html(response: Response) -> bool:
    kind = response.headers.get("Content-Type", b"").decode("latin-1")
    return is_html_type(kind) if kind else looks_like_html(response.body)


def _in_reactor(work: Any) -> None:
    from twisted.internet import reactor

    reactor.callFromThread(work)
