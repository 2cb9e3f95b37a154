"""Fetch images from a web on loopback, for tests."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from hostile_web import Answer, HostileWeb, Request, picture
from webpairs_crawler.images.answers import Fetched
from webpairs_crawler.images.fetcher import Fetcher
from webpairs_crawler.options import CrawlSection, FetchSection

JPEG = picture()
LOOPBACK = ("127.0.0.0/8",)


def sections(crawl: Mapping[str, Any] = {}, **fetch: Any) -> tuple[CrawlSection, FetchSection]:
    """Loopback may be asked, and nothing is tried twice, unless the fields given say otherwise."""
    crawl = {"private_networks": LOOPBACK, "contact": "https://bot.example", **crawl}
    fetch = {"timeout_s": 5, "retries": 0, **fetch}
    return msgspec.convert(crawl, CrawlSection), msgspec.convert(fetch, FetchSection)


def fetch_all(urls: Iterable[str], crawl: Mapping[str, Any] = {}, **fetch: Any) -> list[Fetched]:
    """What became of each URL, all asked for at once."""

    async def all_of_them() -> list[Fetched]:
        async with Fetcher(*sections(crawl, **fetch)) as fetcher:
            return await asyncio.gather(*(fetcher.fetch(url) for url in urls))

    return asyncio.run(all_of_them())


def fetch(route: Answer, **fetch: Any) -> Fetched:
    """Fetch /x.jpg, which has this route, from a fresh web."""
    with HostileWeb({"/x.jpg": route}) as web:
        return fetch_all([web.url("/x.jpg")], **fetch)[0]


async def endless_page(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await request.send(b"<p>" * 65_536)


async def silence(request: Request) -> None:
    await asyncio.sleep(60)


async def hang_up(request: Request) -> None:
    request.reset()


async def bad_chunk(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n")
