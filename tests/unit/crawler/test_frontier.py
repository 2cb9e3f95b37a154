"""The order of pages, on made-up webs."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpairs_crawler.frontier.frontier import (
    REDIRECT,
    Answer,
    Ask,
    CrawlPlan,
    Frontier,
    may_be_page,
)

Web = dict[str, Answer]


def url(name: str, host: str = "a.example") -> str:
    return f"http://{host}/{name}"


def plan(*seeds: str, **changes: object) -> CrawlPlan:
    values: dict[str, object] = {
        "seeds": seeds,
        "max_pages": 100,
        "max_depth": 10,
        "allowed_domains": (),
        "per_host": 4,
    }
    return CrawlPlan(**(values | changes))  # type: ignore[arg-type]


def crawl(web: Web, plan: CrawlPlan, seed: int = 0, known: Web | None = None) -> list[Ask]:
    """Walk a web to its end; `seed` decides in which order the answers come."""
    rng = random.Random(seed)
    frontier = Frontier(plan, known or {})
    asked: list[Ask] = []
    on_the_way: list[Ask] = []
    while not frontier.is_finished:
        ask = frontier.next_ask()
        if ask is not None:
            asked.append(ask)
            on_the_way.append(ask)
        if ask is None or rng.random() < 0.5:
            answered = on_the_way.pop(rng.randrange(len(on_the_way)))
            frontier.answer(answered.url, web.get(answered.url, Answer("http_4xx", ())))
    assert not on_the_way
    return asked


def links(*names: str) -> Answer:
    return Answer("ok", tuple(url(name) for name in names))


def test_level_by_level_and_each_page_once() -> None:
    web = {
        url(""): links("b", "a", "b", ""),
        url("a"): links("deep"),
        url("b"): links("a", ""),
        url("deep"): links(),
    }
    asked = crawl(web, plan(url("")))
    assert [(a.url, a.depth) for a in asked] == [
        (url(""), 0),
        (url("a"), 1),
        (url("b"), 1),
        (url("deep"), 2),
    ]


def test_max_depth() -> None:
    web = {url(str(i)): links(str(i + 1)) for i in range(9)}
    assert len(crawl(web, plan(url("0"), max_depth=3))) == 4
    assert len(crawl(web, plan(url("0"), max_depth=0))) == 1


def test_max_pages_counts_what_is_asked_for_in_the_order_of_urls() -> None:
    web = {url(""): links("d", "c", "b", "a")}
    asked = crawl(web, plan(url(""), max_pages=3))
    assert [a.url for a in asked] == [url(""), url("a"), url("b")]


def test_a_redirect_stays_on_its_level() -> None:
    web = {
        url("0"): links("old", "x"),
        url("old"): Answer(REDIRECT, (url("new"),)),
        url("x"): links("below"),
        url("new"): links("under"),
    }
    asked = {a.url: (a.depth, a.hop) for a in crawl(web, plan(url("0"), max_depth=1))}
    assert asked == {url("0"): (0, 0), url("old"): (1, 0), url("x"): (1, 0), url("new"): (1, 1)}


def test_redirects_may_loop() -> None:
    web = {
        url("a"): Answer(REDIRECT, (url("b"),)),
        url("b"): Answer(REDIRECT, (url("a"),)),
    }
    assert [a.url for a in crawl(web, plan(url("a")))] == [url("a"), url("b")]


@pytest.mark.parametrize(
    ("allowed", "followed"),
    [
        ((), ["www.a.com", "a.com"]),
        (("b.test",), ["b.test", "x.b.test"]),
        (("*",), ["www.a.com", "a.com", "b.test", "x.b.test", "ab.test"]),
    ],
)
def test_scope(allowed: tuple[str, ...], followed: list[str]) -> None:
    hosts = ["www.a.com", "a.com", "b.test", "x.b.test", "ab.test"]
    seed = url("", "x.a.com")
    web = {seed: Answer("ok", tuple(url("p", host) for host in hosts))}
    asked = crawl(web, plan(seed, allowed_domains=allowed))
    assert {a.url for a in asked} == {seed, *(url("p", host) for host in followed)}


def test_an_address_as_seed_is_its_own_domain() -> None:
    seed = "http://127.0.0.2:8000/"
    web = {seed: Answer("ok", ("http://127.0.0.3:8000/", "http://127.0.0.2:8000/b"))}
    assert len(crawl(web, plan(seed))) == 2


def test_no_more_than_per_host_at_once_and_hosts_take_turns() -> None:
    seeds = [url(str(i), host) for host in ("a.example", "b.example") for i in range(5)]
    frontier = Frontier(plan(*seeds, per_host=2), {})
    out = [frontier.next_ask() for _ in range(5)]
    assert [ask and ask.url for ask in out] == [
        url("0"),
        url("0", "b.example"),
        url("1"),
        url("1", "b.example"),
        None,
    ]
    frontier.answer(url("0"), Answer("ok", ()))
    ask = frontier.next_ask()
    assert ask is not None
    assert ask.url == url("2")


names = st.sampled_from([f"{i}" for i in range(12)])
webs = st.dictionaries(names, st.tuples(st.booleans(), st.lists(names, max_size=5)), max_size=12)


def made(raw: dict[str, tuple[bool, list[str]]]) -> Web:
    """Names on two hosts; some pages redirect to their first link."""
    web = {}
    for name, (is_redirect, targets) in raw.items():
        found = tuple(url(t, "a.example" if int(t) % 2 else "b.example") for t in targets)
        answer = Answer(REDIRECT, found[:1]) if is_redirect and found else Answer("ok", found)
        web[url(name, "a.example" if int(name) % 2 else "b.example")] = answer
    return web


@given(webs, st.integers(1, 12), st.integers(0, 3), st.integers())
def test_the_set_of_pages_does_not_depend_on_who_answers_first(
    raw: dict[str, tuple[bool, list[str]]], max_pages: int, max_depth: int, seed: int
) -> None:
    web = made(raw)
    bounds = plan(
        url("0", "b.example"),
        max_pages=max_pages,
        max_depth=max_depth,
        allowed_domains=("*",),
        per_host=1,
    )
    quiet, shuffled = crawl(web, bounds), crawl(web, bounds, seed)
    assert sorted(quiet, key=lambda a: a.url) == sorted(shuffled, key=lambda a: a.url)
    assert len({ask.url for ask in quiet}) == len(quiet) <= max_pages


@given(webs, st.integers(1, 12), st.sets(st.integers(0, 11)), st.integers())
def test_a_crawl_goes_on_from_any_set_of_known_answers(
    raw: dict[str, tuple[bool, list[str]]], max_pages: int, kept: set[int], seed: int
) -> None:
    web = made(raw)
    bounds = plan(url("0", "b.example"), max_pages=max_pages, allowed_domains=("*",))
    whole = [ask.url for ask in crawl(web, bounds)]
    known = {u: web.get(u, Answer("http_4xx", ())) for i, u in enumerate(whole) if i in kept}
    rest = [ask.url for ask in crawl(web, bounds, seed, known)]
    assert set(rest).isdisjoint(known)
    assert {*rest, *known} == set(whole)


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("/", True),
        ("/a", True),
        ("/a.html", True),
        ("/a.php?x=b.jpg", True),
        ("/v1.2", True),
        ("/a.JPG", False),
        ("/a.tar.gz?x", False),
        ("/a%2Epdf", False),
    ],
)
def test_files_are_not_asked_for_as_pages(path: str, may: bool) -> None:
    assert may_be_page(f"http://a.example{path}") is may
