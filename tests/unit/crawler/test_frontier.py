"""The order of pages, on made-up webs."""

import random
from pathlib import Path

import pytest

from webpairs_crawler.frontier.frontier import (
    REDIRECT,
    Answer,
    Ask,
    CrawlPlan,
    Frontier,
)
from webpairs_crawler.frontier.scope import may_be_page

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


def crawl(web: Web, frontier: Frontier, seed: int = 0) -> list[Ask]:
    """Walk a web to its end; `seed` decides in which order the answers come."""
    rng = random.Random(seed)
    asked: list[Ask] = []
    on_the_way: list[Ask] = []
    while not frontier.is_finished:
        ask = frontier.next_ask()
        if ask is not None:
            asked.append(ask)
            on_the_way.append(ask)
        if ask is None or rng.random() < 0.5:
            answered = on_the_way.pop(rng.randrange(len(on_the_way)))
            frontier.answer(answered, web.get(answered.url, Answer("http_4xx", ())))
    assert not on_the_way
    frontier.close()
    return asked


def links(*names: str) -> Answer:
    return Answer("ok", tuple(url(name) for name in names))


def test_level_by_level_and_each_page_once(tmp_path: Path) -> None:
    web = {
        url(""): links("b", "a", "b", ""),
        url("a"): links("deep"),
        url("b"): links("a", ""),
        url("deep"): links(),
    }
    asked = crawl(web, Frontier(tmp_path, plan(url(""))))
    assert [(a.url, a.depth) for a in asked] == [
        (url(""), 0),
        (url("a"), 1),
        (url("b"), 1),
        (url("deep"), 2),
    ]


@pytest.mark.parametrize(("max_depth", "n_pages"), [(0, 1), (3, 4)])
def test_max_depth(tmp_path: Path, max_depth: int, n_pages: int) -> None:
    web = {url(str(i)): links(str(i + 1)) for i in range(9)}
    assert len(crawl(web, Frontier(tmp_path, plan(url("0"), max_depth=max_depth)))) == n_pages


def test_max_pages_counts_what_is_asked_for_in_the_order_of_urls(tmp_path: Path) -> None:
    web = {url(""): links("d", "c", "b", "a")}
    asked = crawl(web, Frontier(tmp_path, plan(url(""), max_pages=3)))
    assert [a.url for a in asked] == [url(""), url("a"), url("b")]


def test_a_redirect_stays_on_its_level(tmp_path: Path) -> None:
    web = {
        url("0"): links("old", "x"),
        url("old"): Answer(REDIRECT, (url("new"),)),
        url("x"): links("below"),
        url("new"): links("under"),
    }
    asked = {
        a.url: (a.depth, a.hop) for a in crawl(web, Frontier(tmp_path, plan(url("0"), max_depth=1)))
    }
    assert asked == {url("0"): (0, 0), url("old"): (1, 0), url("x"): (1, 0), url("new"): (1, 1)}


def test_redirects_may_loop(tmp_path: Path) -> None:
    web = {
        url("a"): Answer(REDIRECT, (url("b"),)),
        url("b"): Answer(REDIRECT, (url("a"),)),
    }
    assert [a.url for a in crawl(web, Frontier(tmp_path, plan(url("a"))))] == [url("a"), url("b")]


@pytest.mark.parametrize(
    ("allowed", "followed"),
    [
        ((), ["www.a.com", "a.com"]),
        (("b.test",), ["b.test", "x.b.test"]),
        (("*",), ["www.a.com", "a.com", "b.test", "x.b.test", "ab.test"]),
    ],
)
def test_scope(tmp_path: Path, allowed: tuple[str, ...], followed: list[str]) -> None:
    hosts = ["www.a.com", "a.com", "b.test", "x.b.test", "ab.test"]
    seed = url("", "x.a.com")
    web = {seed: Answer("ok", tuple(url("p", host) for host in hosts))}
    asked = crawl(web, Frontier(tmp_path, plan(seed, allowed_domains=allowed)))
    assert {a.url for a in asked} == {seed, *(url("p", host) for host in followed)}


def test_an_address_as_seed_is_its_own_domain(tmp_path: Path) -> None:
    seed = "http://127.0.0.2:8000/"
    web = {seed: Answer("ok", ("http://127.0.0.3:8000/", "http://127.0.0.2:8000/b"))}
    assert len(crawl(web, Frontier(tmp_path, plan(seed)))) == 2


def test_no_more_than_per_host_at_once_and_hosts_take_turns(tmp_path: Path) -> None:
    seeds = [url(str(i), host) for host in ("a.example", "b.example") for i in range(5)]
    frontier = Frontier(tmp_path, plan(*seeds, per_host=2))
    out = [frontier.next_ask() for _ in range(5)]
    assert [ask and ask.url for ask in out] == [
        url("0"),
        url("0", "b.example"),
        url("1"),
        url("1", "b.example"),
        None,
    ]
    assert out[0] is not None
    frontier.answer(out[0], Answer("ok", ()))
    ask = frontier.next_ask()
    assert ask is not None
    assert ask.url == url("2")


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
