"""Which pages a crawl asks for follows from web and plan, not from timing, faults and kills."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_crawler.frontier import frontier as frontier_module
from webpairs_crawler.frontier import store
from webpairs_crawler.frontier.frontier import REDIRECT, SITEMAP, Answer, Ask, CrawlPlan, Frontier
from webpairs_crawler.frontier.plan import MAX_NESTED_SITEMAPS, MAX_REDIRECTS
from webpairs_crawler.web.urls import host_of

N_NAMES = 14
SITEMAPS_PER_HOST = 2
names = st.integers(0, N_NAMES - 1)


def url(name: int) -> str:
    return f"http://{'abc'[name % 3]}.example/{name}"


class Web:
    """A made-up web: pages with links, some redirect, some name sitemaps when they are one."""

    def __init__(self, pages: dict[int, tuple[bool, list[int], list[int]]], robots: list[int]):
        self._answers = {}
        for name, (is_redirect, links, sitemaps) in pages.items():
            targets = tuple(url(link) for link in links)
            if is_redirect and targets:
                self._answers[url(name)] = Answer(REDIRECT, targets[:1])
            else:
                nested = tuple(url(sitemap) for sitemap in sitemaps)
                self._answers[url(name)] = Answer("ok", targets, nested)
        self._robots = {url(name) for name in robots}

    def answer(self, address: str, kind: str) -> Answer:
        found = self._answers.get(address, Answer("http_4xx", ()))
        sitemaps = found.sitemaps if kind == SITEMAP else ()
        return Answer(found.outcome, found.links, sitemaps, address.encode())

    def robots(self, host: str) -> list[str]:
        return sorted(u for u in self._robots if host_of(u) == host)


webs = st.builds(
    Web,
    st.dictionaries(
        names,
        st.tuples(st.booleans(), st.lists(names, max_size=5), st.lists(names, max_size=3)),
        max_size=N_NAMES,
    ),
    st.lists(names, max_size=5),
)


def reference(web: Web, plan: CrawlPlan) -> set[tuple[str, int, int, str]]:
    """The rules of the levels order once more, in the plainest way."""
    waiting = dict.fromkeys(plan.seeds, (0, 0, "~page"))
    asked: dict[str, tuple[int, int, str]] = {}

    def wait(target: str, wave: tuple[int, int, str]) -> None:
        if target not in asked and not (wave[2] == "~page" and n_pages >= plan.max_pages):
            waiting[target] = min(waiting.get(target, wave), wave)

    n_pages = 0
    while True:
        able = [w for w in waiting.values() if w[2] == SITEMAP or n_pages < plan.max_pages]
        if not able:
            return {(u, depth, hop, kind.strip("~")) for u, (depth, hop, kind) in asked.items()}
        wave = min(able)[:2]
        members = sorted(u for u, w in waiting.items() if w[:2] == wave)
        fresh = []
        for member in members:
            kind = waiting[member][2]
            same = [
                u for u, w in asked.items() if w[2] == SITEMAP and host_of(u) == host_of(member)
            ]
            if kind == SITEMAP and len(same) == SITEMAPS_PER_HOST:
                del waiting[member]
            elif kind == SITEMAP or n_pages < plan.max_pages:
                asked[member] = waiting.pop(member)
                fresh.append(member)
                n_pages += kind == "~page"
        for member in fresh:
            depth, hop, kind = asked[member]
            for sitemap in web.robots(host_of(member)):
                wait(sitemap, (0, 0, SITEMAP))
            found = web.answer(member, kind)
            if found.outcome == REDIRECT:
                if hop < MAX_REDIRECTS:
                    wait(found.links[0], (depth, hop + 1, kind))
                continue
            for link in found.links:
                if depth < plan.max_depth:
                    wait(link, (depth + 1, 0, "~page"))
            for nested in found.sitemaps:
                if hop < MAX_NESTED_SITEMAPS and host_of(nested) == host_of(member):
                    wait(nested, (depth, hop + 1, SITEMAP))


class Crawl:
    """Answers in random order, puts back, commits, and is killed, all by the given chance."""

    def __init__(self, web: Web, plan: CrawlPlan, folder: Path, rng: random.Random):
        self.web, self.plan, self.rng = web, plan, rng
        self.folder = folder
        self.answered: set[tuple[str, int, int, str]] = set()
        self.committed: list[bytes] = []
        self.last = 0
        self.frontier = Frontier(folder, plan)
        self.out: list[Ask] = []

    def kill(self) -> None:
        """Leave the frontier as it lies on disk at this moment, and open that."""
        left = self.folder.with_name(f"{self.folder.name}x")
        shutil.copytree(self.folder, left)
        self.folder = left
        self.out.clear()
        self.frontier = Frontier(left, self.plan)
        self.frontier.drop_records(self.last)

    def commit(self, is_killed_between: bool) -> None:
        """What a part's commit does: records are taken over, then dropped here."""
        for number, data in self.frontier.records():
            self.committed.append(data)
            self.last = number
        if is_killed_between:
            self.kill()
        self.frontier.drop_records(self.last)

    def finish_one(self) -> None:
        ask = self.out.pop(self.rng.randrange(len(self.out)))
        for sitemap in self.web.robots(host_of(ask.url)):
            self.frontier.add(sitemap, 0, SITEMAP)
        if ask.attempts < 2 and self.rng.random() < 0.1:
            self.frontier.put_back(ask, 0)
            return
        self.frontier.answer(ask, self.web.answer(ask.url, ask.kind))
        self.answered.add((ask.url, ask.depth, ask.hop, ask.kind))

    def run(self, p_kill: float) -> None:
        while not self.frontier.is_finished:
            chance = self.rng.random()
            if chance < p_kill:
                self.kill()
            elif chance < 2 * p_kill:
                self.commit(is_killed_between=self.rng.random() < 0.5)
            ask = self.frontier.next_ask()
            if ask is not None:
                self.out.append(ask)
            if self.out and (ask is None or self.rng.random() < 0.5):
                self.finish_one()
        self.commit(is_killed_between=False)
        n_answered = self.frontier.n_answered
        self.frontier.close()
        urls = sorted(data.decode() for data in self.committed)
        assert urls == sorted(entry[0] for entry in self.answered)
        assert n_answered == len(urls) == len(set(urls))


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        for module in (store, frontier_module):
            patch.setattr(module, "MAX_SITEMAPS_PER_HOST", SITEMAPS_PER_HOST)
        yield Path(name) / "frontier"


def plan(max_pages: int, max_depth: int, order: str) -> CrawlPlan:
    return CrawlPlan(
        seeds=(url(0), url(1)),
        max_pages=max_pages,
        max_depth=max_depth,
        allowed_domains=("*",),
        per_host=2,
        order="free" if order == "free" else "levels",
    )


@settings(max_examples=120, deadline=None)
@given(webs, st.integers(1, N_NAMES), st.integers(0, 4), st.integers(0, 10**9))
def test_levels_ask_what_the_rules_say_in_any_order_and_after_any_kill(
    web: Web, max_pages: int, max_depth: int, seed: int
) -> None:
    bounds = plan(max_pages, max_depth, "levels")
    with folder() as where:
        crawl = Crawl(web, bounds, where, random.Random(seed))
        crawl.run(p_kill=0.08)
    assert crawl.answered == reference(web, bounds)


@settings(max_examples=60, deadline=None)
@given(webs, st.integers(1, N_NAMES), st.integers(0, 10**9))
def test_free_asks_each_url_once_and_never_too_many(web: Web, max_pages: int, seed: int) -> None:
    with folder() as where:
        crawl = Crawl(web, plan(max_pages, 99, "free"), where, random.Random(seed))
        crawl.run(p_kill=0.08)
    n_pages = sum(kind == "page" for *_, kind in crawl.answered)
    assert min(2, max_pages) <= n_pages <= max_pages


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(names, st.lists(names, max_size=5), max_size=N_NAMES),
    st.integers(1, N_NAMES),
    st.integers(0, 10**9),
)
def test_free_asks_all_that_links_lead_to(
    links: dict[int, list[int]], max_pages: int, seed: int
) -> None:
    reached, ahead = set[int](), [0, 1]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += links.get(name, [])
    web = Web({name: (False, to, []) for name, to in links.items()}, [])
    with folder() as where:
        crawl = Crawl(web, plan(max_pages, 99, "free"), where, random.Random(seed))
        crawl.run(p_kill=0.08)
    assert {u for u, *_ in crawl.answered} <= {url(name) for name in reached}
    assert len(crawl.answered) == min(max_pages, len(reached))
