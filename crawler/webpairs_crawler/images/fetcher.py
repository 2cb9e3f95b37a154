"""Images over HTTP: exactly one outcome for each URL.

What waits lies in a `Schedule`, which knows whom to ask next; a request is a short task that takes
a slot of its host and a place among all images in hand. A redirect, or a failure that may heal,
puts its errand back into the queue of its host, so nothing ever waits while it holds a place. The
clock of an attempt runs during its requests only: waiting for a busy host never times out. The
place is kept until the caller has used the bytes: slow decoding slows the downloads and never piles
up bodies in memory.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from time import monotonic
from types import TracebackType
from typing import Any, Self
from weakref import WeakValueDictionary

import msgspec
from msgspec.structs import replace

from webpairs_core.records import Outcome
from webpairs_crawler.images.answers import BUSY, NO_CONNECTION, Fetched, can_heal, is_hosts_fault
from webpairs_crawler.images.client import Client
from webpairs_crawler.images.errand import Errand, Use, Wanted
from webpairs_crawler.images.schedule import FIRST_PAUSE_S, Schedule
from webpairs_crawler.options import CrawlSection, FetchSection
from webpairs_crawler.optout.site import SiteAnswer, Sites, Where
from webpairs_crawler.web import urls

MAX_REDIRECTS = 5
RETRY_AFTER_CEILING_S = 60.0
"""A host that asks for a longer pause is given up for this run."""
CRAWL_DELAY_CEILING_S = 30.0
"""What a host may ask for between two requests; more would mean some hundred images a day."""
_NOBODY_THERE = NO_CONNECTION | {Outcome.TIMEOUT, Outcome.SLOW, Outcome.PROTOCOL}
"""What may have kept a robots.txt away: the images of that origin would fail likewise."""

_HOST_DOWN = Fetched(outcome=Outcome.HOST_DOWN)
"""Of those that were not asked; one that was ends as its own last attempt did."""


class _Leave(msgspec.Struct, frozen=True, kw_only=True):
    """What a site says of one of its URLs."""

    refused: Outcome | None = None
    is_for_now: bool = False
    signals: tuple[str, ...] = ()
    delay_s: float = 0.0


class Fetcher:
    """`async with Fetcher(...) as fetcher: fetched = await fetcher.fetch(url)`.

    `add` is for streams of URLs: it returns at once, and `idle` waits for all of them. Leaving the
    block abandons what still waits.
    """

    def __init__(
        self, crawl: CrawlSection, fetch: FetchSection, client: Client | None = None
    ) -> None:
        self._crawl = crawl
        self._fetch = fetch
        self._client = client or Client(crawl, fetch)
        self._schedule: Schedule[Errand] = Schedule(fetch)
        self._sites = Sites(self._site_file, crawl)
        self._site_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._n_running = self._n_asleep = 0
        self._wake: asyncio.TimerHandle | None = None
        self._change = asyncio.Event()
        self._is_closing = False
        """A task has failed or the block is left: nothing new may start in a group that ends."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._client)
            self._group = await stack.enter_async_context(asyncio.TaskGroup())
            self._tasks: set[asyncio.Task[None]] = set()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closing = True
        if self._wake is not None:
            self._wake.cancel()
        for task in self._tasks:
            task.cancel()
        await self._stack.__aexit__(kind, error, trace)

    @property
    def n_open(self) -> int:
        """URLs that have no outcome yet."""
        return self._schedule.n_waiting + self._n_running

    @property
    def n_hosts(self) -> int:
        """Hosts with something to do or a pause to keep."""
        return self._schedule.n_hosts

    @property
    def pause_s(self) -> float:
        """How long all that is left waits for hosts that want to be left alone; else 0."""
        return 0.0 if self._n_running else self._schedule.pause_s(monotonic())

    async def fetch(self, url: str) -> Fetched:
        """Download one image. Never raises for what the web does: see `Fetched.outcome`."""
        return await self._result_of(url, Wanted(where="image", max_bytes=self._fetch.max_bytes))

    def add(self, url: str, use: Use, etag: str = "", last_modified: str = "") -> None:
        """Download one image and hand the result to `use`, whose errors end the whole fetch.

        With `etag` or `last_modified`, what has not changed since is ok without data.
        """
        wanted = Wanted(
            where="image",
            max_bytes=self._fetch.max_bytes,
            etag=etag,
            last_modified=last_modified,
        )
        self._add(url, wanted, use)

    async def below(self, n: int) -> None:
        """Wait until fewer than `n` URLs are without an outcome."""
        while self.n_open >= n:
            self._change.clear()
            await self._change.wait()

    async def idle(self) -> None:
        """Wait until every URL has its outcome."""
        await self.below(1)

    async def ask(self, url: str, where: Where) -> Fetched:
        """What a URL answers now, without its body: outcome, status, opt-out signals.

        HEAD first; GET, whose body is left unread, where HEAD gets no good answer: too many
        servers do not know it. Never raises for what the web does.
        """
        answer = await self._result_of(url, Wanted(where=where, method="HEAD"))
        if not answer.attempts or answer.outcome in (Outcome.OK, Outcome.OPTED_OUT):
            return answer
        return await self._result_of(url, Wanted(where=where))

    async def _result_of(self, url: str, wanted: Wanted) -> Fetched:
        result: asyncio.Future[Fetched] = asyncio.get_running_loop().create_future()

        async def keep(fetched: Fetched) -> None:
            if not result.done():  # nobody waits any more
                result.set_result(fetched)

        self._add(url, wanted, keep)
        return await result

    def _add(self, url: str, wanted: Wanted, use: Use) -> None:
        clean = urls.canonical(url)
        errand = Errand(start=clean or url, wanted=wanted, use=use)
        if clean is None:
            self._start(self._finish(errand, Fetched(outcome=Outcome.BAD_URL)))
        else:
            self._enqueue(errand)

    def _enqueue(self, errand: Errand) -> None:
        if self._schedule.is_down(errand.origin):
            self._start(self._finish(errand, errand.failed or _HOST_DOWN))
            return
        self._schedule.add(errand.host, errand)
        self._dispatch()

    def _dispatch(self) -> None:
        """Start all that may start now, and see to it that this is called when more may."""
        now = monotonic()
        while self._has_place:
            errand = self._schedule.take(now)
            if errand is None:
                break
            self._start(self._step(errand, errand.host))
        wake_at = self._schedule.wake_at() if self._has_place else float("inf")
        if self._wake is not None:
            if self._wake.when() == wake_at:
                return
            self._wake.cancel()
            self._wake = None
        if wake_at < float("inf"):
            # Loops count in monotonic seconds, as the schedule does.
            self._wake = asyncio.get_running_loop().call_at(wake_at, self._woken)

    @property
    def _has_place(self) -> bool:
        is_full = self._n_running - self._n_asleep >= self._fetch.concurrency
        return not (is_full or self._is_closing)

    def _woken(self) -> None:
        self._wake = None
        self._dispatch()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        if self._is_closing:
            work.close()
            return
        self._n_running += 1
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._n_running -= 1
        self._change.set()
        if task.cancelled() or task.exception() is not None:
            self._is_closing = True
        else:
            self._dispatch()

    async def _step(self, errand: Errand, host: str) -> None:
        """One request of an errand: it ends, or goes back to wait."""
        try:
            answer = await self._ask(errand)
            is_last = self._is_last(errand, host, answer)
        finally:
            self._schedule.release(host, monotonic())
        if isinstance(answer, str):
            errand.follow(answer)
            self._enqueue(errand)
        elif is_last:
            await self._finish(errand, answer)
        else:
            errand.start_over(answer)
            self._enqueue(errand)

    async def _ask(self, errand: Errand) -> Fetched | str:
        """Ask for the errand's URL, if its site lets us: the result, or where it redirects to."""
        leave = await self._leave(errand.url, errand.wanted.where)
        errand.signals |= frozenset(leave.signals)
        if leave.refused is not None:
            if leave.is_for_now and leave.refused in _NOBODY_THERE:
                self._give_up_origin_of(errand)
            return Fetched(outcome=leave.refused, is_for_now=leave.is_for_now)
        self._schedule.slow_down(errand.host, leave.delay_s, monotonic())
        return await self._request(errand)

    async def _request(self, errand: Errand) -> Fetched | str:
        if not errand.n_hops:
            errand.n_attempts += 1
        left_s = self._fetch.timeout_s - errand.used_s
        began = monotonic()
        answer = await self._client.ask(errand.url, errand.wanted, left_s)
        errand.used_s += monotonic() - began
        if isinstance(answer, str) and errand.n_hops == MAX_REDIRECTS:
            return Fetched(outcome=Outcome.TOO_MANY_REDIRECTS)
        return answer

    def _is_last(self, errand: Errand, host: str, answer: Fetched | str) -> bool:
        """Note what an answer says of its host; say whether it is the errand's result."""
        if isinstance(answer, str) or not is_hosts_fault(answer):
            self._schedule.succeeded(host)
            return True
        if answer.is_for_now:  # nobody was asked
            return True
        wait_s = min(answer.wait_s, RETRY_AFTER_CEILING_S)
        is_alone = answer.outcome not in NO_CONNECTION and answer.http_status not in BUSY
        n_failed = self._schedule.failed(host, monotonic(), wait_s, is_alone=is_alone)
        may_fail = self._fetch.host_down_after
        if answer.outcome in NO_CONNECTION:
            may_fail = min(may_fail, self._fetch.retries + 1)
        if n_failed >= may_fail or answer.wait_s > RETRY_AFTER_CEILING_S:
            self._give_up_origin_of(errand)
            return True
        return errand.n_attempts > self._fetch.retries or not can_heal(answer)

    def _give_up_origin_of(self, errand: Errand) -> None:
        """Ask the errand's origin no more: all that waits for it has the outcome host_down now."""
        origin = errand.origin
        gone = self._schedule.give_up(errand.host, origin, lambda other: other.origin == origin)
        for each in gone:
            self._start(self._finish(each, each.failed or _HOST_DOWN))

    async def _finish(self, errand: Errand, answer: Fetched) -> None:
        fetched = replace(
            answer,
            final_url=errand.url,
            fetch_ms=round(errand.used_s * 1000),
            attempts=errand.n_attempts,
            optout=tuple(sorted({*errand.signals, *answer.optout})),
        )
        if errand.use is not None:
            await errand.use(fetched)

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

    async def _site_file(self, url: str, max_bytes: int) -> SiteAnswer | Outcome:
        """A site's robots.txt or another file of that kind, for `Sites`.

        In the slot of the image that needs it: one such file of a host at a time.
        """
        host = urls.host_of(url)
        lock = self._site_locks.setdefault(host, asyncio.Lock())
        errand = Errand(start=url, wanted=Wanted(where=None, max_bytes=max_bytes), use=None)
        async with lock:
            got = await self._all_of(errand)
        match got.outcome:
            case Outcome.OK | Outcome.HTTP_4XX | Outcome.HTTP_5XX:
                return SiteAnswer(got.http_status, got.data)
            case Outcome.TOO_MANY_REDIRECTS | Outcome.BAD_URL:
                return got.outcome
            case _ if errand.origin == urls.origin_of(url):
                return got.outcome  # the images would fail likewise: say how, not "robots"
            case _:
                return Outcome.ROBOTS

    async def _all_of(self, errand: Errand) -> Fetched:
        """An errand to its end, redirects and repeats included, without any queue."""
        pause_s = FIRST_PAUSE_S
        while True:
            answer = await self._request(errand)
            if isinstance(answer, str):
                errand.follow(answer)
                continue
            is_sent_away = answer.wait_s > RETRY_AFTER_CEILING_S
            if errand.n_attempts > self._fetch.retries or is_sent_away or not can_heal(answer):
                return answer
            errand.start_over(answer)
            await self._sleep(max(pause_s, answer.wait_s))
            pause_s *= 2

    async def _sleep(self, seconds: float) -> None:
        """Wait without a place among `concurrency`."""
        self._n_asleep += 1
        self._dispatch()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._n_asleep -= 1
