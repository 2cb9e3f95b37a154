"""Which page is asked for next: breadth-first, one level after the other.

All pages of a depth are answered before the next depth begins, and within a level the URLs are
sorted. So the set of pages depends on the web and the recipe alone, never on which server was
faster; and a crawl goes on after a crash by giving the answers of the pages it already has.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import msgspec

from webpairs_crawler.web.urls import host_of, registrable_domain

MAX_REDIRECTS = 5
"""Hops from a page that was asked for (RFC 9309 asks the same of robots.txt)."""
REDIRECT = "redirect"

_NO_PAGE = re.compile(
    r"\.(?:7z|aac|apk|avi|avif|bin|bmp|bz2|css|csv|deb|dmg|docx?|eot|epub|exe|flac|gif|gz|ico|iso|"
    r"jar|jpe?g|js|json|m4[av]|mkv|mov|mp[34]|mpe?g|msi|og[agv]|otf|pdf|png|pptx?|psd|rar|rpm|svg|"
    r"tar|tgz|tiff?|ttf|txt|wasm|wav|webm|webp|wmv|woff2?|xlsx?|xml|xz|zip|zst)\Z",
    re.IGNORECASE,
)
"""Paths that are asked for as files: pages hardly ever end so."""


class CrawlPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a crawl."""

    seeds: tuple[str, ...]
    """Canonical URLs."""
    max_pages: int
    """Pages asked for, whatever comes of them."""
    max_depth: int
    """Links from a seed."""
    allowed_domains: tuple[str, ...]
    """As in the recipe: empty stands for the registrable domains of the seeds, "*" for all."""
    per_host: int
    """Pages of one host that may be asked for at the same time."""


class Answer(msgspec.Struct, frozen=True):
    """What became of a page that was asked for."""

    outcome: str
    links: tuple[str, ...]
    """Of a redirect: its target."""


class Ask(msgspec.Struct, frozen=True):
    """A page to ask for."""

    url: str
    depth: int
    hop: int
    """Redirects that led here from a page of this depth."""


class Scope:
    """Which URLs may be followed."""

    def __init__(self, plan: CrawlPlan) -> None:
        named = plan.allowed_domains or [registrable_domain(seed) for seed in plan.seeds]
        self._is_open = "*" in named
        self._domains = frozenset(name.lower().strip(".") for name in named)

    def holds(self, url: str) -> bool:
        """Whether a canonical URL lies on an allowed domain (or below it)."""
        if self._is_open:
            return True
        host = host_of(url)
        if host in self._domains:
            return True
        labels = host.split(".")
        return any(".".join(labels[i:]) in self._domains for i in range(1, len(labels)))


class Frontier:
    """The pages still to ask for. Each URL is asked for once."""

    def __init__(self, plan: CrawlPlan, known: Mapping[str, Answer]) -> None:
        """`known` are the answers of an earlier, interrupted run: those are not asked for again."""
        self._plan = plan
        self._known = known
        self._scope = Scope(plan)
        self._seen: set[str] = set()
        self._queued: dict[str, deque[Ask]] = {}
        self._asked: dict[str, Ask] = {}
        self._busy: Counter[str] = Counter()
        self._depth = self._hop = self._n_asks = 0
        self._targets: set[str] = set()
        self._below: set[str] = set()
        self._begin(plan.seeds)
        self._advance()

    @property
    def is_finished(self) -> bool:
        """Whether no page is queued and none is on its way."""
        return not self._queued and not self._asked

    @property
    def n_queued(self) -> int:
        """Pages known to be asked for in this level, and links collected for the next."""
        return sum(map(len, self._queued.values())) + len(self._targets) + len(self._below)

    def next_ask(self) -> Ask | None:
        """A page to ask for now; None while all hosts are busy or the level awaits its answers.

        Hosts take turns.
        """
        for host in list(self._queued):
            if self._busy[host] < self._plan.per_host:
                queue = self._queued.pop(host)
                ask = queue.popleft()
                if queue:
                    self._queued[host] = queue
                self._asked[ask.url] = ask
                self._busy[host] += 1
                return ask
        return None

    def answer(self, url: str, answer: Answer) -> None:
        """Take in what became of a page that `next_ask` gave out."""
        ask = self._asked.pop(url)
        host = host_of(url)
        self._busy[host] -= 1
        if not self._busy[host]:
            del self._busy[host]
        self._absorb(ask, answer)
        self._advance()

    def _absorb(self, ask: Ask, answer: Answer) -> None:
        links = (u for u in answer.links if u not in self._seen and self._scope.holds(u))
        if answer.outcome == REDIRECT:
            self._targets.update(links)
        elif ask.depth < self._plan.max_depth:
            self._below.update(link for link in links if may_be_page(link))

    def _advance(self) -> None:
        """Begin the next wave when this one is answered: where redirects lead, then the links."""
        while self.is_finished and (self._targets or self._below):
            if self._targets:
                wave, self._targets = self._targets, set()
                self._hop += 1
            else:
                wave, self._below = self._below, set()
                self._depth, self._hop = self._depth + 1, 0
            self._begin(wave)

    def _begin(self, urls: Iterable[str]) -> None:
        fresh = sorted(set(urls) - self._seen)[: self._plan.max_pages - self._n_asks]
        self._n_asks += len(fresh)
        self._seen.update(fresh)
        for url in fresh:
            ask = Ask(url, self._depth, self._hop)
            if url in self._known:
                self._absorb(ask, self._known[url])
            else:
                self._queued.setdefault(host_of(url), deque()).append(ask)
        if self._n_asks == self._plan.max_pages:
            self._targets.clear()
            self._below.clear()


def may_be_page(url: str) -> bool:
    """Whether the path of a URL could name a page, not a picture, an archive or a program."""
    path = url.partition("?")[0]
    return not _NO_PAGE.search(unquote(path[-16:]))
