"""Scrapy's `SCHEDULER`: lets the engine ask our frontier, for our spider and other people's.

A request is *leased* when the engine gets it and *answered* when the engine has let go of it: its
callback has run, the items it made have passed the pipelines, the requests it made lie in the
frontier. Only then is it forgotten, so a kill at any moment repeats what was on its way and loses
nothing. Scrapy's own scheduler forgets a request when it hands it out.
"""

import asyncio
import logging
import pickle
import secrets
from collections import deque
from typing import Any, Self

from scrapy.core.scheduler import BaseScheduler
from scrapy.crawler import Crawler
from scrapy.http import Request
from scrapy.spiders import Spider
from scrapy.utils.request import fingerprint, request_from_dict

from webpairs_core.errors import WebpairsError
from webpairs_core.records import Outcome
from webpairs_crawler.frontier.frontier import Frontier
from webpairs_crawler.frontier.plan import Answer, Ask, CrawlPlan
from webpairs_crawler.live.marks import ASK, REPEAT_AFTER_S, without_marks
from webpairs_crawler.live.settings_of import frontier_dir_of, section_of
from webpairs_crawler.web.urls import canonical

log = logging.getLogger(__name__)

_NO_BOUND = 2**31
_SHORTEST_WAIT_S = 0.001


class FrontierScheduler(BaseScheduler):  # type: ignore[misc]
    """Gives the engine what the frontier lets go.

    A spider may bring a frontier of its own as its attribute `frontier`; then asks without a
    payload become requests by its method `request(ask)`, it answers them by `answer`, and its
    `on_fault(error)` is called when the frontier fails.
    """

    frontier: Frontier

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._leased: dict[int, tuple[Ask, Request]] = {}
        self._ready: deque[Request] = deque()
        self._timer: Any = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's way of making a component."""
        return cls(crawler)

    def open(self, spider: Spider) -> None:
        """Called by the engine."""
        self._spider = spider
        brought = getattr(spider, "frontier", None)
        self._is_ours = brought is None
        self.frontier = brought or _open_frontier(self._crawler.settings)

    def close(self, reason: str) -> None:
        """Called by the engine when all requests are done."""
        del reason
        self._settle()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._is_ours:
            self.frontier.close()

    def has_pending_requests(self) -> bool:
        """False only when the whole crawl is answered: then Scrapy closes the spider."""
        self._settle()
        return not self.frontier.is_finished

    def enqueue_request(self, request: Request) -> bool:
        """Take in a request of a spider or a middleware; False when it was seen before."""
        try:
            return self._enqueue(request)
        except WebpairsError as error:
            self._fail(error)
            return False

    def next_request(self) -> Request | None:
        """The next request, if one may be sent now."""
        if self._ready:
            return self._ready.popleft()
        try:
            self._settle()
            request = self._lease()
        except WebpairsError as error:
            self._fail(error)
            return None
        if request is None:
            self._wake_later()
        return request

    def answer(self, ask: Ask, answer: Answer) -> None:
        """Say what became of an ask."""
        self._leased.pop(ask.id, None)
        self.frontier.answer(ask, answer)

    def _enqueue(self, request: Request) -> bool:
        if REPEAT_AFTER_S in request.meta:
            ask = request.meta[ASK]
            if self._leased.pop(ask.id, None) is not None:
                self.frontier.put_back(ask, request.meta[REPEAT_AFTER_S])
            return True
        ask = request.meta.get(ASK)
        if ask is not None and self._is_leased(ask, request):
            self._ready.append(request)
            return True
        payload = self._payload(request)
        if payload is None:
            return False
        depth = int(request.meta.get("depth", 0))
        return self.frontier.add(_address(request), depth, payload=payload)

    def _lease(self) -> Request | None:
        ask = self.frontier.next_ask()
        if ask is None:
            return None
        request: Request
        if ask.payload:
            fields = pickle.loads(ask.payload)  # noqa: S301 - written by us, as Scrapy's queues do
            request = request_from_dict(fields, spider=self._spider)
        else:
            request = self._spider.request(ask)
        request.meta[ASK] = ask
        self._leased[ask.id] = (ask, request)
        return request

    def _is_leased(self, ask: Ask, request: Request) -> bool:
        held = self._leased.get(ask.id)
        return held is not None and held[1] is request

    def _settle(self) -> None:
        """Answer what the engine has let go of without telling us."""
        # Scrapy has no signal for this moment; that its slot forgets the request is the one sign.
        slot = self._crawler.engine._slot
        if slot is None:
            return
        gone = [
            ask
            for ask, request in self._leased.values()
            if request not in slot.inprogress and request not in self._ready
        ]
        for ask in gone:
            self.answer(ask, Answer(Outcome.OK, ()))

    def _wake_later(self) -> None:
        """Have the engine look again when a host becomes free, not at its heartbeat of 5 s."""
        wait_s = self.frontier.wait_s()
        if wait_s is None:
            return
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        from twisted.internet import reactor

        self._timer = reactor.callLater(max(wait_s, _SHORTEST_WAIT_S), self._wake)

    def _wake(self) -> None:
        if self._ready or self._crawler.engine.needs_backout():
            return
        try:
            request = self._lease()
        except WebpairsError as error:
            self._fail(error)
            return
        if request is not None:
            self._crawler.engine.crawl(request)

    def _fail(self, error: WebpairsError) -> None:
        """Stop the crawl: the frontier cannot be read or written. Scrapy would go on for ever."""
        log.error("%s", error)
        on_fault = getattr(self._spider, "on_fault", None)
        if on_fault is not None:
            on_fault(error)
        asyncio.ensure_future(self._crawler.stop_async())  # noqa: RUF006 - ends with the process

    def _payload(self, request: Request) -> bytes | None:
        """The request as bytes; None when it cannot be kept, which is said in the log."""
        try:
            fields = request.to_dict(spider=self._spider)
            fields["meta"] = without_marks(fields["meta"])
            return pickle.dumps(fields, protocol=4)
        except (ValueError, TypeError, AttributeError, pickle.PicklingError) as error:
            log.error(
                "%s is dropped, because it cannot be kept on disk (%s): make its callback a method "
                "of the spider and its meta plain data",
                request,
                error,
            )
            return None


def _open_frontier(settings: Any) -> Frontier:
    section = section_of(settings)
    plan = CrawlPlan(
        seeds=(),
        max_pages=_NO_BOUND,
        max_depth=_NO_BOUND,
        allowed_domains=("*",),
        per_host=section.per_host,
        order="free",
        delay_s=section.delay_s,
        autothrottle=section.autothrottle,
        retries=section.retries,
    )
    return Frontier(frontier_dir_of(settings), plan)


def _address(request: Request) -> str:
    """The URL under which the frontier remembers a request.

    Two GETs of one URL are one request. What is more than a GET gets a fragment of its own: by its
    content, or a new one for what is asked for again on purpose (`dont_filter`). The seeds of a
    spider are asked for once, whatever Scrapy says about them: else each start of a crawl that was
    interrupted would begin with them.
    """
    url = canonical(request.url) or request.url
    is_start = request.meta.get("is_start_request", False)
    if request.dont_filter and not is_start:
        return f"{url}#{secrets.token_hex(8)}"
    if request.method == "GET" and not request.body:
        return url
    return f"{url}#{fingerprint(request).hex()}"
