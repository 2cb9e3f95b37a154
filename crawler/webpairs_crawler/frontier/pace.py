"""Which host may be asked now: never too many at once, never too soon after the last ask.

All in memory, with the clock given: one small state for each host with work, and a heap of hosts by
the time at which they may be asked, so that finding the next one costs O(log hosts). An entry of
the heap is never moved: a new one is pushed, and the ticket in the host's state tells which counts.
"""

import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

from webpairs_crawler.frontier.plan import CrawlPlan

MAX_DELAY_S = 60.0
"""Ceiling of Crawl-delay and of the throttle (Scrapy's AUTOTHROTTLE_MAX_DELAY): at more, a site of
a thousand pages takes a day."""
MAX_PAUSE_S = 3600.0
"""Ceiling of Retry-After: a host that asks for more is asked again after an hour."""
OWN_LATENCY_S = 0.05
"""The part of a latency that is not held against the host: a busy crawler adds that much itself,
and no site is hurt by a crawler that it answers so fast."""
_IDLE_HOSTS = 50_000
"""States of hosts without work that are kept for what they know of the host's patience."""
_LONG_AGO = float("-inf")


class _Host:
    """The state of one host."""

    __slots__ = (
        "asked_at",
        "crawl_delay_s",
        "in_flight",
        "lined_up_at",
        "n_queued",
        "paused_until",
        "returned",
        "throttle_s",
        "ticket",
    )

    def __init__(self) -> None:
        self.n_queued = 0
        self.in_flight = 0
        self.asked_at = self.paused_until = _LONG_AGO
        self.crawl_delay_s = self.throttle_s = 0.0
        self.returned: list[tuple[float, int]] | None = None
        self.ticket = 0
        self.lined_up_at = 0.0

    @property
    def has_work(self) -> bool:
        return bool(self.n_queued or self.returned)

    @property
    def is_idle(self) -> bool:
        return not (self.n_queued or self.returned or self.in_flight)


class Hosts:
    """The hosts of a crawl, named by 64-bit keys, in the order in which they may be asked."""

    def __init__(self, plan: CrawlPlan, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_host = plan.per_host
        self._delay_s = plan.delay_s
        self._autothrottle = plan.autothrottle
        self._clock = clock
        self._hosts: dict[int, _Host] = {}
        self._line: list[tuple[float, int, int]] = []
        self._tickets = count(1)
        self._sweep_at = _IDLE_HOSTS
        self.n_queued = 0
        """URLs of all hosts that wait for their turn."""
        self.n_returned = 0
        """URLs that were put back and wait for their time."""
        self.n_active = 0
        """Hosts with URLs queued, put back or in flight."""

    def add_work(self, key: int, n_urls: int = 1) -> None:
        """Say that a host has so many more URLs."""
        host = self._active(key)
        host.n_queued += n_urls
        self.n_queued += n_urls
        self._line_up(key, host)

    def drop_queued(self) -> None:
        """Forget all queued work: what was put back is still asked for."""
        for key, host in self._hosts.items():
            if host.n_queued:
                host.n_queued = 0
                self._line_up(key, host)
                self.n_active -= host.is_idle
        self.n_queued = 0

    def take(self) -> tuple[int, int | None] | None:
        """The host to ask now and, when it is the turn of a URL that was put back, its id.

        It counts as in flight from now on. None while no host may be asked.
        """
        now = self._clock()
        first = self._first()
        if first is None or first[0] > now:
            return None
        key = heappop(self._line)[2]
        host = self._hosts[key]
        host.ticket = 0
        host.asked_at = now
        host.in_flight += 1
        url_id = None
        if host.returned and host.returned[0][0] <= now:
            url_id = heappop(host.returned)[1]
            self.n_returned -= 1
        else:
            host.n_queued -= 1
            self.n_queued -= 1
        self._line_up(key, host)
        return key, url_id

    def n_in_flight(self, key: int) -> int:
        """Asks of a host that have no answer yet."""
        return self._hosts[key].in_flight

    def release(self, key: int) -> None:
        """Say that an ask of a host came to its end."""
        host = self._hosts[key]
        host.in_flight -= 1
        if host.is_idle:
            self.n_active -= 1
            host.ticket = 0
        else:
            self._line_up(key, host)

    def put_back(self, key: int, url_id: int, wait_s: float) -> None:
        """End an ask of a host; it is its turn again after `wait_s` seconds."""
        host = self._hosts[key]
        host.returned = host.returned or []
        heappush(host.returned, (self._clock() + min(wait_s, MAX_PAUSE_S), url_id))
        self.n_returned += 1
        self.release(key)

    def wait_s(self) -> float | None:
        """Seconds until a host may be asked; None when only an answer can bring that about."""
        first = self._first()
        return None if first is None else max(0.0, first[0] - self._clock())

    def pause(self, key: int, seconds: float) -> None:
        """Ask nothing of a host for so long, an hour at most (Retry-After, RFC 9110 10.2.3)."""
        host = self._known(key)
        until = self._clock() + min(seconds, MAX_PAUSE_S)
        host.paused_until = max(host.paused_until, until)
        self._line_up(key, host)

    def set_delay(self, key: int, seconds: float) -> None:
        """Keep the Crawl-delay of a host's robots.txt, cut at `MAX_DELAY_S`."""
        host = self._known(key)
        host.crawl_delay_s = min(max(seconds, 0.0), MAX_DELAY_S)
        self._line_up(key, host)

    def observe(self, key: int, latency_s: float, is_ok: bool) -> None:
        """Adapt a host's pause to the time that an answer took (Scrapy's AutoThrottle, documented).

        The pause moves half the way to the latency, which keeps one ask in flight on the average
        (Scrapy's default target); an error may lengthen it but never shorten it, because errors
        come faster than pages. Unlike Scrapy it begins at 0, not at 5 s, and `OWN_LATENCY_S` is
        taken off: on a fast server the pause stays 0 and only `per_host` is the limit.
        """
        if not self._autothrottle:
            return
        host = self._known(key)
        target = max(0.0, latency_s - OWN_LATENCY_S)
        mean = (host.throttle_s + target) / 2
        if mean > host.throttle_s or is_ok:
            host.throttle_s = 0.0 if mean < 0.001 else min(mean, MAX_DELAY_S)
            self._line_up(key, host)

    def _known(self, key: int) -> _Host:
        host = self._hosts.get(key)
        if host is None:
            self._sweep()
            host = self._hosts[key] = _Host()
            # It takes its place in the line now: were new hosts first, a page with links to ever
            # new ones would keep all others from their turn.
            host.paused_until = self._clock()
        return host

    def _active(self, key: int) -> _Host:
        host = self._known(key)
        self.n_active += host.is_idle
        return host

    def _ready_at(self, host: _Host) -> float:
        delay_s = max(self._delay_s, host.crawl_delay_s, host.throttle_s)
        ready_at = max(host.paused_until, host.asked_at + delay_s)
        if host.n_queued or not host.returned:
            return ready_at
        return max(ready_at, host.returned[0][0])

    def _line_up(self, key: int, host: _Host) -> None:
        if host.in_flight >= self._per_host or not host.has_work:
            host.ticket = 0
            return
        ready_at = self._ready_at(host)
        if host.ticket and host.lined_up_at == ready_at:
            return
        host.ticket = next(self._tickets)
        host.lined_up_at = ready_at
        heappush(self._line, (ready_at, host.ticket, key))
        if len(self._line) > 2 * len(self._hosts) + 1000:
            self._line = [entry for entry in self._line if self._counts(entry)]
            heapify(self._line)

    def _counts(self, entry: tuple[float, int, int]) -> bool:
        host = self._hosts.get(entry[2])
        return host is not None and host.ticket == entry[1]

    def _first(self) -> tuple[float, int, int] | None:
        while self._line and not self._counts(self._line[0]):
            heappop(self._line)
        return self._line[0] if self._line else None

    def _sweep(self) -> None:
        """Forget idle hosts that may be asked now, when there are many."""
        if len(self._hosts) - self.n_active < self._sweep_at:
            return
        now = self._clock()
        self._hosts = {
            key: host
            for key, host in self._hosts.items()
            if not host.is_idle or self._ready_at(host) > now
        }
        self._sweep_at = max(_IDLE_HOSTS, 2 * (len(self._hosts) - self.n_active))
