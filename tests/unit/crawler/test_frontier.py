"""The order of pages, on made-up webs."""

import random
import shutil
from pathlib import Path

import pytest

from webpairs_core.errors import RecipeError
from webpairs_crawler.frontier import frontier as frontier_module
from webpairs_crawler.frontier import store
from webpairs_crawler.frontier.frontier import (
    REDIRECT,
    SITEMAP,
    Answer,
    Ask,
    CrawlPlan,
    Frontier,
)
from webpairs_crawler.frontier.plan import MAX_SITEMAPS_PER_HOST
from webpairs_crawler.frontier.scope import may_be_page
from webpairs_crawler.web.urls import host_of

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


def asks_of(frontier: Frontier) -> list[Ask]:
    """All that may be asked for at this moment."""
    asks = []
    while ask := frontier.next_ask():
        asks.append(ask)
    return asks


def names(asks: list[Ask]) -> list[str]:
    return [ask.url.rpartition("/")[2] for ask in asks]


OK = Answer("ok", ())


def test_a_wave_waits_for_what_was_put_back(tmp_path: Path) -> None:
    clock = [0.0]
    frontier = Frontier(tmp_path, plan(url("a"), url("b")), lambda: clock[0])
    a, b = asks_of(frontier)
    frontier.answer(a, links("c"))
    frontier.put_back(b, 30)
    assert (frontier.next_ask(), frontier.wait_s(), frontier.is_finished) == (None, 30, False)
    clock[0] = 30.0
    again = frontier.next_ask()
    assert again is not None
    assert (again.id, again.url, again.attempts) == (b.id, b.url, 1)
    frontier.answer(again, OK)
    assert names(asks_of(frontier)) == ["c"]


def test_what_was_put_back_is_queued_after_a_kill_with_its_attempts(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path, plan(url("a"), url("b")))
    a, b = asks_of(frontier)
    frontier.put_back(a, 3000)
    frontier.answer(b, links("c"))
    frontier.close()
    [again] = asks_of(Frontier(tmp_path, plan(url("a"), url("b"))))
    assert (again.url, again.attempts) == (url("a"), 1)


def test_pauses_and_delays_hold_one_host(tmp_path: Path) -> None:
    clock = [0.0]
    seeds = [url(str(i), host) for host in ("a.example", "b.example") for i in range(2)]
    frontier = Frontier(tmp_path, plan(*seeds, per_host=1), lambda: clock[0])
    frontier.pause("a.example", 7)
    frontier.set_delay("b.example", 3)
    ask = frontier.next_ask()
    assert ask is not None
    assert ask.url == url("0", "b.example")
    frontier.observe("b.example", 0.01, is_ok=True)
    frontier.answer(ask, OK)
    assert (frontier.next_ask(), frontier.wait_s()) == (None, 3)
    clock[0] = 7.0
    assert [a.url for a in asks_of(frontier)] == [url("1", "b.example"), url("0")]


def test_records_are_kept_in_order_until_they_are_dropped(tmp_path: Path) -> None:
    seeds = [url(f"{i:02}") for i in range(40)]
    bounds = plan(*seeds, per_host=99)
    frontier = Frontier(tmp_path, bounds)
    asks = asks_of(frontier)
    numbers = [frontier.answer(a, Answer("ok", (), record=a.url.encode())) for a in asks[:30]]
    assert frontier.answer(asks[30], OK) == 0
    assert list(frontier.records()) == [
        (n, a.url.encode()) for n, a in zip(numbers, asks, strict=False)
    ]
    assert numbers == sorted(set(numbers))
    frontier.drop_records(numbers[19])
    frontier.close()
    frontier = Frontier(tmp_path, bounds)
    assert [number for number, _ in frontier.records()] == numbers[20:]
    frontier.drop_records(numbers[-1])
    [ask, *_] = asks_of(frontier)
    assert frontier.answer(ask, Answer("ok", (), record=b"x")) > numbers[-1]
    assert (frontier.n_answered, frontier.n_in_flight, frontier.n_queued) == (32, 8, 0)
    frontier.sync()


def test_an_ask_is_answered_once(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path, plan(url("a")))
    [ask] = asks_of(frontier)
    frontier.answer(ask, OK)
    with pytest.raises(KeyError):
        frontier.answer(ask, OK)
    with pytest.raises(KeyError):
        frontier.put_back(ask, 0)
    assert frontier.n_answered == 1


def test_urls_whose_hashes_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "url_hash", lambda _: 7)
    web = {url(""): links(*(f"{i:02}" for i in range(30)), ""), url("00"): links("29", "x")}
    asked = crawl(web, Frontier(tmp_path, plan(url(""))))
    assert names(asked) == ["", *(f"{i:02}" for i in range(30)), "x"]


def test_hosts_whose_hashes_are_the_same_share_a_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "host_key", lambda _: 7)
    monkeypatch.setattr(frontier_module, "host_key", lambda _: 7)
    seeds = [url(str(i), host) for host in ("a.example", "b.example") for i in range(3)]
    frontier = Frontier(tmp_path, plan(*seeds, per_host=1))
    assert len(asks_of(frontier)) == 1
    frontier.close()
    assert len(crawl({}, Frontier(tmp_path, plan(*seeds, per_host=1)))) == 6


def test_added_urls_keep_their_payload_until_they_are_answered(tmp_path: Path) -> None:
    bounds = plan(allowed_domains=("*",), order="free")
    frontier = Frontier(tmp_path, bounds)
    assert frontier.is_finished
    assert frontier.add(url("a"), 3, payload=b"what a spider keeps")
    assert not frontier.add(url("a"), 1)
    frontier.close()
    [ask] = asks_of(Frontier(tmp_path, bounds))
    assert (ask.url, ask.depth, ask.kind, ask.payload) == (
        url("a"),
        3,
        "page",
        b"what a spider keeps",
    )


def test_what_was_added_and_not_committed_goes_with_the_kill(tmp_path: Path) -> None:
    """Only until the next answer: a spider adds what a page brought, then answers the page."""
    bounds = plan(url("a"), order="free")
    frontier = Frontier(tmp_path / "a", bounds)
    [ask] = asks_of(frontier)
    frontier.add(url("b"), 1)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    frontier.answer(ask, OK)
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    assert names(asks_of(Frontier(tmp_path / "b", bounds))) == ["a"]
    assert names(asks_of(Frontier(tmp_path / "c", bounds))) == ["b"]


def test_free_asks_shallow_pages_of_a_host_first_and_waits_for_no_other(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path, plan(url("a"), url("b", "b.example"), order="free", per_host=1))
    a, _ = asks_of(frontier)
    frontier.answer(a, links("c", "d"))
    [c] = asks_of(frontier)
    frontier.answer(c, links("e"))
    frontier.add(url("f"), 1)
    assert names(asks_of(frontier)) == ["d"]
    frontier.close()
    order = [ask.url for ask in crawl({}, Frontier(tmp_path, plan(order="free", per_host=1)))]
    assert [u for u in order if "a.example" in u] == [url("d"), url("f"), url("e")]


def test_free_stops_at_max_pages_after_a_kill_too(tmp_path: Path) -> None:
    web = {url(str(i)): links(*(str(3 * i + k) for k in (1, 2, 3))) for i in range(99)}
    bounds = plan(url("0"), max_pages=10, order="free")
    frontier = Frontier(tmp_path, bounds)
    for _ in range(4):
        ask = frontier.next_ask()
        assert ask is not None
        frontier.answer(ask, web[ask.url])
    for ask in asks_of(frontier):
        frontier.put_back(ask, 0)
    frontier.close()
    assert len(crawl(web, Frontier(tmp_path, bounds))) == 6


def site_map(*nested: str, pages: tuple[str, ...] = ()) -> Answer:
    return Answer("ok", tuple(map(url, pages)), tuple(map(url, nested)))


@pytest.mark.parametrize("order", ["levels", "free"])
def test_sitemaps(tmp_path: Path, order: str) -> None:
    """They nest three deep, cost no pages, and name pages of depth 1."""
    web = {f"m{i}": site_map(f"m{i + 1}", pages=(f"p{i}",)) for i in range(6)}
    web |= {"seed": Answer("ok", (), (url("m0"), url("m0", "elsewhere.test")))}
    bounds = plan(url("seed"), max_pages=4, order=order)
    asked = crawl({url(name): found for name, found in web.items()}, Frontier(tmp_path, bounds))
    assert sorted((a.url, a.depth, a.hop) for a in asked if a.kind == "sitemap") == [
        (url("m0"), 0, 0),
        (url("m1"), 0, 1),
        (url("m2"), 0, 2),
        (url("m3"), 0, 3),
    ]
    pages = sorted((a.url, a.depth) for a in asked if a.kind == "page")
    assert pages == [(url("p0"), 1), (url("p1"), 1), (url("p2"), 1), (url("seed"), 0)]
    assert Frontier(tmp_path, bounds).n_sitemaps_left_out == 2


def test_sitemaps_found_late_name_pages_of_depth_1(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path, plan(url("0"), max_depth=3))
    for name in ("0", "1", "2"):
        [ask] = asks_of(frontier)
        if name == "2":
            assert frontier.add(url("map"), 0, SITEMAP)
            assert not frontier.add(url("map"), 0, SITEMAP)
            assert not frontier.add(url("map", "elsewhere.test"), 0, SITEMAP)
        frontier.answer(ask, links(str(int(name) + 1)))
    [ask] = asks_of(frontier)
    assert (ask.url, ask.kind, ask.depth) == (url("map"), SITEMAP, 0)
    frontier.answer(ask, site_map(pages=("p", "3")))
    asks = asks_of(frontier)
    assert [(ask.url, ask.depth) for ask in asks] == [(url("3"), 1), (url("p"), 1)]


@pytest.mark.parametrize("order", ["levels", "free"])
def test_too_many_sitemaps(tmp_path: Path, order: str) -> None:
    many = [f"{i:03}" for i in range(MAX_SITEMAPS_PER_HOST + 20)]
    bounds = plan(url("seed"), url("there", "b.example"), order=order)
    frontier = Frontier(tmp_path, bounds)
    for ask in asks_of(frontier):
        frontier.answer(ask, Answer("ok", (), tuple(url(m, host_of(ask.url)) for m in many[::-1])))
    assert frontier.n_sitemaps_left_out == 40
    frontier.close()
    frontier = Frontier(tmp_path, bounds)
    assert frontier.n_sitemaps_left_out == 40
    asked = crawl({}, frontier)
    assert len(asked) == 2 * MAX_SITEMAPS_PER_HOST
    if order == "levels":
        assert {ask.url for ask in asked if "a.ex" in ask.url} == {
            url(m) for m in many[:MAX_SITEMAPS_PER_HOST]
        }


def test_the_redirect_of_a_sitemap_is_a_sitemap(tmp_path: Path) -> None:
    web = {url("a"): Answer("ok", (), (url("m"),)), url("m"): Answer(REDIRECT, (url("n.xml"),))}
    asked = crawl(web, Frontier(tmp_path, plan(url("a"), max_pages=1)))
    assert [(a.url, a.kind, a.hop) for a in asked[1:]] == [
        (url("m"), SITEMAP, 0),
        (url("n.xml"), SITEMAP, 1),
    ]


def test_five_redirects_and_no_more(tmp_path: Path) -> None:
    web = {url(str(i)): Answer(REDIRECT, (url(str(i + 1)),)) for i in range(9)}
    assert [a.hop for a in crawl(web, Frontier(tmp_path, plan(url("0"))))] == [0, 1, 2, 3, 4, 5]


def test_no_file_is_held_open_for_a_host(tmp_path: Path) -> None:
    n_before = len(list(Path("/proc/self/fd").iterdir()))
    seeds = [url("", f"h{i}.example") for i in range(3000)]
    frontier = Frontier(tmp_path, plan(*seeds, max_pages=9999))
    assert frontier.n_hosts == 3000
    assert len(asks_of(frontier)) == 3000
    assert len(list(Path("/proc/self/fd").iterdir())) <= n_before + 4
    frontier.close()


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


def test_seeds_of_a_file_are_streamed_without_repeats(tmp_path: Path) -> None:
    listing = tmp_path / "seeds.txt"
    lines = [url(str(i), f"{i % 7}.example") for i in range(2500)]
    listing.write_text("\ufeff# mine\n" + "\n".join([*lines, *lines[:1500]]) + "\n", "utf-8")
    bounds = plan(url("first"), seeds_file=str(listing), max_pages=9999)
    asks = crawl({}, Frontier(tmp_path / "f", bounds))
    assert sorted(ask.url for ask in asks) == sorted([url("first"), *lines])


def test_comments_in_a_file_of_seeds(tmp_path: Path) -> None:
    listing = tmp_path / "seeds.txt"
    listing.write_text(f"{url('a')} # the home page\n  # {url('b')}\n\n{url('c#part')}\t#x\n")
    asks = crawl({}, Frontier(tmp_path / "f", plan(seeds_file=str(listing))))
    assert sorted(ask.url for ask in asks) == [url("a"), url("c")]


@pytest.mark.parametrize(
    ("allowed", "host"),
    [(".A.example", "w.a.example"), ("b\u00fccher.example", "xn--bcher-kva.example"), ("*", "b.c")],
)
def test_allowed_domains_are_read_as_hosts(tmp_path: Path, allowed: str, host: str) -> None:
    web = {url("seed"): Answer("ok", (url("there", host), url("out", "other.test")))}
    asked = crawl(web, Frontier(tmp_path, plan(url("seed"), allowed_domains=(allowed,))))
    assert url("there", host) in [ask.url for ask in asked]
    assert (url("out", "other.test") in [ask.url for ask in asked]) is (allowed == "*")


@pytest.mark.parametrize(
    "wrong", ["https://a.example/", "a.example/x", "*.a.example", "a.example:80", "a b", "", "."]
)
def test_an_allowed_domain_that_is_none_is_one_sentence(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(RecipeError, match="write it like example"):
        Frontier(tmp_path, plan(url("seed"), allowed_domains=(wrong,)))
