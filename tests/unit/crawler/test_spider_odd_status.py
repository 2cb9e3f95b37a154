"""Answers whose numbers are no HTTP: the crawl goes on, and its parts can be written."""

from pathlib import Path

import pytest

from crawls import IMG, Crawl, links
from hostile_web import Answer, HostileWeb, Request, redirect
from webpairs_core.errors import CrawlError
from webpairs_crawler.live.failures import retry_after_s

STATUSES = ("99999", "100000000000000000000", "-5", "0", "1000")


def with_status(status: str) -> Answer:
    async def write(request: Request) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: text/html\r\n\r\n"
        await request.send(head.encode() + IMG.encode())

    return write


def test_a_status_that_is_no_http_costs_one_page_and_not_the_crawl(tmp_path: Path) -> None:
    routes = {f"/{status}": with_status(status) for status in STATUSES}
    with HostileWeb({"/": links(*routes), **routes}) as web:
        crawl = Crawl(tmp_path, web.url("/"), warc_out=True)
        outcomes = crawl.outcomes(web)
    assert outcomes.pop("/") == "ok"
    assert outcomes == dict.fromkeys(routes, "protocol")
    assert {row["http_status"] for row in crawl.rows("pages")} == {200, 0}


def test_a_seed_that_redirects_to_itself_is_one_sentence(tmp_path: Path) -> None:
    with HostileWeb({"/a": redirect("/b"), "/b": redirect("/a"), "/c": redirect("/c")}) as web:
        for seed in ("/a", "/c"):
            with pytest.raises(CrawlError, match="its redirects lead in a circle"):
                Crawl(tmp_path / seed[1:], web.url(seed))


def test_a_first_seed_beyond_max_pages_is_not_asked_why(tmp_path: Path) -> None:
    with HostileWeb({}) as web, pytest.raises(CrawlError, match=r"/a: the server says"):
        Crawl(tmp_path, web.url("/z"), web.url("/a"), max_pages=1)


@pytest.mark.parametrize("year", ["2024 00:00:00 +99999999999999", "9" * 30 + " 00:00:00 GMT"])
def test_a_date_out_of_all_calendars_asks_for_no_pause(year: str) -> None:
    assert retry_after_s(f"Mon, 01 Jan {year}") == 0
