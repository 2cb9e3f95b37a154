"""Which host is asked next, and for what: the politeness of the image fetch, without any network.

Everything that waits lies in queues here, one for each host name (aiohttp's own limits count host
and port, and one machine often answers on several). A host is asked when it has a free slot, its
pause is over and the limit of all hosts together allows it; ready hosts take turns. Time comes in
from outside, so that a test can let years pass.
"""

import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from webpairs_crawler.options import FetchSection, HostBudget

Item = TypeVar("Item")

FIRST_PAUSE_S = 0.5
"""After a host's first failure in a row; doubled after each further one."""
LONGEST_PAUSE_S = 60.0
_JITTER = (0.75, 1.25)
"""Hosts that failed together must not be asked again together."""
_MAX_DOWN = 100_000
"""Origins that are remembered as given up. Rows are grouped by host, so old ones are done with."""


class _Host(Generic[Item]):
    """One host name: what waits for it and how it may be asked."""

    __slots__ = (
        "budget",
        "delay_s",
        "is_known",
        "is_listed",
        "n_busy",
        "n_failed",
        "name",
        "not_before",
        "queue",
    )

    def __init__(self, name: str, budget: HostBudget) -> None:
        self.name = name
        self.budget = budget
        self.delay_s = budget.delay_s
        self.queue: deque[Item] = deque()
        self.n_busy = 0
        self.n_failed = 0
        """In a row."""
        self.not_before = 0.0
        self.is_known = False
        """It has answered, or failed to, once: until then it gets one request at a time."""
        self.is_listed = False
        """It stands in the line of ready hosts or among the paused ones."""

    @property
    def has_slot(self) -> bool:
        return self.n_busy < (self.budget.per_host if self.is_known else 1)


class Schedule(Generic[Item]):
    """Queues of items by host. All times are seconds of one clock that never goes back."""

    def __init__(self, section: FetchSection) -> None:
        self._section = section
        self._default = HostBudget(match="*", per_host=section.per_host, delay_s=section.delay_s)
        self._hosts: dict[str, _Host[Item]] = {}
        self._ready: deque[_Host[Item]] = deque()
        self._paused: list[tuple[float, int, _Host[Item]]] = []
        self._n_pauses = 0
        self._next_start = 0.0
        self._down: OrderedDict[str, None] = OrderedDict()
        self.n_waiting = 0
        """Items in the queues."""

    @property
    def n_hosts(self) -> int:
        """Hosts with something to do or a pause to keep."""
        return len(self._hosts)

    def add(self, name: str, item: Item) -> None:
        """Let an item wait for its host."""
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _Host(name, self._budget_of(name))
        host.queue.append(item)
        self.n_waiting += 1
        self._list(host)

    def take(self, now: float) -> Item | None:
        """The next item that may be asked for now; its host's slot is held until `release`."""
        while self._paused and self._paused[0][0] <= now:
            self._ready.append(heapq.heappop(self._paused)[2])
        if self._ready and self._section.max_per_s and now < self._next_start:
            return None
        while self._ready:
            host = self._ready.popleft()
            if host.not_before > now:
                self._pause(host)
            elif not host.queue or not host.has_slot:
                host.is_listed = False  # `add` or `release` lists it again
                self._forget_if_idle(host, now)
            else:
                return self._started(host, now)
        return None

    def _started(self, host: _Host[Item], now: float) -> Item:
        item = host.queue.popleft()
        self.n_waiting -= 1
        host.n_busy += 1
        host.not_before = max(host.not_before, now + host.delay_s)
        self._ready.append(host)  # behind all others: hosts take turns
        if self._section.max_per_s:
            self._next_start = max(self._next_start, now) + 1 / self._section.max_per_s
        return item

    def wake_at(self) -> float:
        """When `take` may have something that it has not now; infinite when only an event helps."""
        paused = self._paused[0][0] if self._paused else float("inf")
        return min(paused, self._next_start) if self._ready else paused

    def release(self, name: str, now: float) -> None:
        """Give back the slot of an item that was taken."""
        host = self._hosts[name]
        host.n_busy -= 1
        host.is_known = True
        self._list(host)
        self._forget_if_idle(host, now)

    def slow_down(self, name: str, delay_s: float, now: float) -> None:
        """Ask a host at most every `delay_s` seconds from now on (its Crawl-delay)."""
        host = self._hosts[name]
        if delay_s > host.delay_s:
            host.delay_s = delay_s  # the request of this moment is the first
            host.not_before = max(host.not_before, now + delay_s)

    def succeeded(self, name: str) -> None:
        """A host has answered well."""
        self._hosts[name].n_failed = 0

    def failed(self, name: str, now: float, wait_s: float = 0.0, *, is_alone: bool = False) -> int:
        """A host has failed: leave it alone for a while, at least `wait_s`, longer each time.

        With `is_alone` it may be the one URL that fails (a 500, a body that never comes): the pause
        stays short, but the failure counts. Returns how often the host has failed in a row.
        """
        host = self._hosts[name]
        n_doubled = 0 if is_alone else min(host.n_failed, 16)
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**n_doubled)
        host.n_failed += 1
        host.not_before = max(
            host.not_before, now + max(wait_s, pause_s * random.uniform(*_JITTER))
        )
        return host.n_failed

    def is_down(self, origin: str) -> bool:
        """Whether an origin was given up."""
        return origin in self._down

    def give_up(self, name: str, origin: str, is_of: Callable[[Item], bool]) -> list[Item]:
        """Ask this origin no more; returns what waited for it (`is_of`), which waits no longer."""
        self._down[origin] = None
        if len(self._down) > _MAX_DOWN:
            self._down.popitem(last=False)
        host = self._hosts[name]
        gone = [item for item in host.queue if is_of(item)]
        host.queue = deque(item for item in host.queue if not is_of(item))
        self.n_waiting -= len(gone)
        return gone

    def pause_s(self, now: float) -> float:
        """How long the next paused host still waits; 0 when none does."""
        return max(0.0, self._paused[0][0] - now) if self._paused else 0.0

    def _list(self, host: _Host[Item]) -> None:
        if not host.is_listed and host.queue and host.has_slot:
            host.is_listed = True
            self._ready.append(host)

    def _pause(self, host: _Host[Item]) -> None:
        self._n_pauses += 1  # breaks ties: hosts themselves have no order
        heapq.heappush(self._paused, (host.not_before, self._n_pauses, host))

    def _forget_if_idle(self, host: _Host[Item], now: float) -> None:
        """A host that does nothing is dropped, so that memory does not grow with the hosts; one
        whose pause is not over must be remembered until then, or it would be asked too early."""
        if host.n_busy or host.queue or host.is_listed:
            return
        if host.not_before > now:
            host.is_listed = True
            self._pause(host)
        else:
            del self._hosts[host.name]

    def _budget_of(self, name: str) -> HostBudget:
        for budget in self._section.hosts:
            if fnmatchcase(name, budget.match.lower()):
                return budget
        return self._default
