"""One site cannot take the crawl from the others."""

from pathlib import Path

from crawls import Crawl, html, links
from hostile_web import HostileWeb
from webpairs_crawler.frontier.frontier import Frontier
from webpairs_crawler.frontier.plan import Answer, CrawlPlan

N_GOOD = 30


def test_a_site_of_monstrous_pages_waits_while_others_have_pages(tmp_path: Path) -> None:
    chain = {f"/{i}": links(f"/{i + 1}") for i in range(N_GOOD)}
    monster = html("".join(f"<a href=/{i}>" for i in range(300_000)))
    with (
        HostileWeb(chain, host="127.0.0.2") as good,
        HostileWeb({"/": monster}, host="127.0.0.3") as bad,
    ):
        Crawl(
            tmp_path,
            bad.url("/"),
            good.url("/0"),
            order="free",
            max_pages=N_GOOD + 1,
            max_depth=N_GOOD,
        )
        assert [path for path in bad.paths if path != "/robots.txt"] == ["/"]


def test_a_new_host_takes_its_place_at_the_end_of_the_line(tmp_path: Path) -> None:
    now = 0.0
    plan = CrawlPlan(
        seeds=("http://a/1", "http://a/2"),
        max_pages=10,
        max_depth=1,
        allowed_domains=("*",),
        per_host=1,
        order="free",
    )
    frontier = Frontier(tmp_path, plan, lambda: now)
    first = frontier.next_ask()
    assert first is not None
    now = 1.0
    frontier.answer(first, Answer("ok", ("http://b/", "http://c/")))
    asked = [frontier.next_ask() for _ in range(3)]
    frontier.close()
    assert [ask.url for ask in asked if ask] == ["http://a/2", "http://b/", "http://c/"]
