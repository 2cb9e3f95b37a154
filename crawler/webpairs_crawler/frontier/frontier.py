"""Which page is asked for next, of which host, and when; all that matters is on disk.

Two orders. *levels*: breadth-first in waves. A wave is one depth and one hop: the links of a depth,
then where its redirects lead. All of a wave is answered before the next begins, and it is admitted
sorted by URL and cut at `max_pages`: so the set of pages depends on the web and the recipe alone,
never on which server was faster nor on where the crawl was killed (docs/adr/0005). *free*: what is
found is queued at once, shallow pages of a host first, and no host waits for another.

Sitemaps are asked beside the pages and cost none of `max_pages`; the pages they name have depth 1.
"""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from webpairs_crawler.frontier.pace import Hosts
from webpairs_crawler.frontier.plan import (
    MAX_NESTED_SITEMAPS,
    MAX_REDIRECTS,
    MAX_SITEMAPS_PER_HOST,
    PAGE,
    REDIRECT,
    SITEMAP,
    Answer,
    Ask,
    CrawlPlan,
    Kind,
)
from webpairs_crawler.frontier.scope import Scope, may_be_page
from webpairs_crawler.frontier.seeds import seeds_of
from webpairs_crawler.frontier.store import Found, UrlStore, host_key
from webpairs_crawler.web.urls import host_of, registrable_domain

__all__ = ["MAX_REDIRECTS", "PAGE", "REDIRECT", "SITEMAP", "Answer", "Ask", "CrawlPlan", "Frontier"]

_ADDS_PER_COMMIT = 1000


class Frontier:
    """The URLs of a crawl. Each is asked for once, and again only when it is put back.

    On open it goes on where the last process stopped or was killed: what was in flight is queued.
    All methods raise StorageError for a full disk or a damaged file.
    """

    def __init__(
        self, folder: Path, plan: CrawlPlan, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._plan = plan
        self._is_free = plan.order == "free"
        self._scope = Scope(plan)
        self._hosts = Hosts(plan, clock)
        self._in_flight: dict[int, int] = {}
        self._n_adds = 0
        self._store = UrlStore(folder, plan.order)
        if self._store.is_new:
            seeds = seeds_of(plan)
            while batch := dict.fromkeys(islice(seeds, _ADDS_PER_COMMIT)):
                self._store.add([Found(seed, 0, 0, PAGE) for seed in batch])
        counts = self._store.counts()
        self._n_answered = counts.n_answered
        self._n_waiting = counts.n_waiting
        self._n_pages = counts.n_pages_answered
        if not self._is_free:
            self._n_pages += counts.n_pages_queued
        self._line_up_queued()
        if self._is_free:
            self._stop_at_max_pages()
        self._advance()
        self._store.commit()

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to ask for and nothing is on its way."""
        return not (self._in_flight or self._hosts.n_queued or self._hosts.n_returned)

    @property
    def n_queued(self) -> int:
        """URLs known and not yet asked for, those of later waves too."""
        n_later = self._n_waiting if self._n_pages < self._plan.max_pages else 0
        return self._hosts.n_queued + self._hosts.n_returned + n_later

    @property
    def n_in_flight(self) -> int:
        """Asks without an answer."""
        return len(self._in_flight)

    @property
    def n_hosts(self) -> int:
        """Hosts with something queued or in flight."""
        return self._hosts.n_active

    @property
    def n_answered(self) -> int:
        """Pages and sitemaps answered since the crawl began, in earlier processes too."""
        return self._n_answered

    @property
    def n_sitemaps_left_out(self) -> int:
        """How often a sitemap over the cap for its host, nested too deep or elsewhere was named."""
        return self._store.n_sitemaps_left_out()

    def next_ask(self) -> Ask | None:
        """What to ask for now; None while no host may be asked.

        It is in flight until it is answered or put back. Hosts take turns.
        """
        taken = self._hosts.take()
        if taken is None:
            return None
        key, url_id = taken
        ask = self._first_queued(key) if url_id is None else self._store.ask_of(url_id)
        self._in_flight[ask.id] = key
        if self._is_free and url_id is None and ask.kind == PAGE:
            self._n_pages += 1
            self._stop_at_max_pages()
        return ask

    def wait_s(self) -> float | None:
        """Seconds until a host may be asked; None when only an answer can bring work."""
        return self._hosts.wait_s()

    def answer(self, ask: Ask, answer: Answer) -> int:
        """Take in what became of an ask, with all that follows from it, in one transaction.

        Returns the number of its record, 0 when it has none. What was added since the last answer
        is committed with it: so who adds what a page brought before answering it loses nothing.
        """
        key = self._in_flight.pop(ask.id)
        self._n_answered += 1
        self._store.mark_answered(ask)
        number = self._store.add_record(answer.record) if answer.record else 0
        self._absorb(ask, answer)
        self._hosts.release(key)
        self._advance()
        self._store.commit()
        return number

    def put_back(self, ask: Ask, wait_s: float) -> None:
        """Ask for the same URL again, after `wait_s` seconds (an hour at most)."""
        key = self._in_flight.pop(ask.id)
        self._store.put_back(ask.id)
        self._hosts.put_back(key, ask.id, wait_s)

    def add(self, url: str, depth: int, kind: Kind = PAGE, payload: bytes = b"") -> bool:
        """Add a canonical URL from elsewhere; False when it was met before or is left out.

        A page may lie out of scope: who adds it knows why. A sitemap may not. In levels order it
        waits for the end of the wave that is under way.
        """
        if kind == SITEMAP and not self._scope.holds(url):
            return False
        n_new = self._add([Found(url, depth, 0, kind, payload)])
        self._advance()
        self._n_adds += 1
        if self._n_adds % _ADDS_PER_COMMIT == 0:
            self._store.commit()
        return bool(n_new)

    def pause(self, host: str, seconds: float) -> None:
        """Ask nothing of a host for so long (Retry-After), an hour at most."""
        self._hosts.pause(host_key(host), seconds)

    def set_delay(self, host: str, seconds: float) -> None:
        """Keep a host's Crawl-delay, a minute at most.

        Not kept on disk, and forgotten for hosts long out of work: tell it with each robots.txt.
        """
        self._hosts.set_delay(host_key(host), seconds)

    def observe(self, host: str, latency_s: float, is_ok: bool) -> None:
        """Tell how long a host took to answer, and whether it was no error."""
        self._hosts.observe(host_key(host), latency_s, is_ok)

    def records(self) -> Iterator[tuple[int, bytes]]:
        """The records that are kept, with their numbers, in the order of the answers."""
        return self._store.records()

    def drop_records(self, up_to: int) -> None:
        """Forget the records up to this number: they are committed elsewhere.

        Raises StorageError when this frontier never gave out that number.
        """
        self._store.drop_records(up_to)
        self._store.commit()

    def sync(self) -> None:
        """Make all answers outlive a power cut. Call it before records are committed elsewhere."""
        self._store.sync()

    def close(self) -> None:
        """Close the file; what is in flight is asked for again by the next process."""
        self._store.close()

    def _first_queued(self, key: int) -> Ask:
        # What is in flight stays queued on disk: it is skipped here, and found again after a kill.
        for ask in self._store.first_queued(key, self._hosts.n_in_flight(key)):
            if ask.id not in self._in_flight:
                return ask
        raise self._store.damaged()

    def _absorb(self, ask: Ask, answer: Answer) -> None:
        links = [url for url in dict.fromkeys(answer.links) if self._scope.holds(url)]
        if answer.outcome == REDIRECT:
            if ask.hop < MAX_REDIRECTS:
                self._add([Found(url, ask.depth, ask.hop + 1, ask.kind) for url in links])
            return
        if ask.depth < self._plan.max_depth:
            self._add([Found(url, ask.depth + 1, 0, PAGE) for url in links if may_be_page(url)])
        for url in dict.fromkeys(answer.sitemaps):
            self._absorb_sitemap(ask, url)

    def _absorb_sitemap(self, ask: Ask, url: str) -> None:
        if ask.kind == PAGE and self._scope.holds(url):
            self._add([Found(url, 0, 0, SITEMAP)])
        elif ask.kind == SITEMAP and ask.hop < MAX_NESTED_SITEMAPS and _are_one_site(url, ask.url):
            self._add([Found(url, 0, ask.hop + 1, SITEMAP)])
        else:
            self._store.leave_out_sitemap()

    def _add(self, found: list[Found]) -> int:
        """Add URLs as far as there is room for them, and return how many are new."""
        new = self._store.add([one for one in found if self._has_room(one)])
        if self._is_free:
            for one in new:
                self._hosts.add_work(host_key(host_of(one.url)))
        else:
            self._n_waiting += len(new)
        return len(new)

    def _has_room(self, found: Found) -> bool:
        if (found.kind == PAGE or self._is_free) and self._n_pages >= self._plan.max_pages:
            return False
        if found.kind == SITEMAP and self._is_free and self._has_enough_sitemaps(found.url):
            if not self._store.has_met(found.url):
                self._store.leave_out_sitemap()
            return False
        return True

    def _has_enough_sitemaps(self, url: str) -> bool:
        return self._store.n_sitemaps(host_key(host_of(url))) >= MAX_SITEMAPS_PER_HOST

    def _stop_at_max_pages(self) -> None:
        if self._n_pages >= self._plan.max_pages:
            self._hosts.drop_queued()

    def _advance(self) -> None:
        """Begin the next wave when this one is answered."""
        if self._is_free or not self.is_finished:
            return
        while not self._hosts.n_queued:
            n_left = self._plan.max_pages - self._n_pages
            wave = self._store.next_wave((PAGE, SITEMAP) if n_left else (SITEMAP,))
            if wave is None:
                return
            self._n_pages += self._store.admit_pages(*wave, n_left)
            self._store.admit_sitemaps(*wave)
            self._n_waiting = self._store.n_waiting()
            self._line_up_queued()

    def _line_up_queued(self) -> None:
        for key, n_urls in self._store.queued_by_host():
            self._hosts.add_work(key, n_urls)


def _are_one_site(url: str, other: str) -> bool:
    """Whether an index may name a sitemap: it must lie on the same site (sitemaps.org)."""
    return registrable_domain(url) == registrable_domain(other)
