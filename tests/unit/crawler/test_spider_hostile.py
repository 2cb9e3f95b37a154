"""Servers that mean harm: each answer is an outcome, and the crawl goes on."""

import asyncio
import resource
import zlib
from pathlib import Path
from typing import Any

from crawls import HTML, IMG, Crawl, html, links
from hostile_web import Answer, HostileWeb, Request, answer, redirect

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


async def endless(request: Request) -> None:
    while True:
        await request.send(b"<p>more and more</p>" * 500)


async def trickle(request: Request) -> None:
    await request.send(HEAD + b"\r\n")
    await request.send(*[b"<p>"] * 1000, pause_s=0.05)


async def endless_body(request: Request) -> None:
    await request.send(HEAD + b"\r\n")
    await endless(request)


async def endless_chunks(request: Request) -> None:
    await request.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        await request.send(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")


async def endless_headers(request: Request) -> None:
    await request.send(HEAD)
    for i in range(100_000):
        await request.send(f"X-{i}: {'y' * 1000}\r\n".encode())


async def endless_header(request: Request) -> None:
    await request.send(HEAD + b"X-Long: ")
    while True:
        await request.send(b"y" * 10_000)


async def endless_folded_header(request: Request) -> None:
    await request.send(HEAD + b"X-Long: a\r\n")
    while True:
        await request.send(b" " + b"y" * 1000 + b"\r\n")


async def endless_status(request: Request) -> None:
    while True:
        await request.send(b"HTTP" * 1000)


async def endless_continue(request: Request) -> None:
    while True:
        await request.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def long_head(request: Request) -> bool:
    fields = b"".join(b"X-%d: %s\r\n" % (i, b"y" * 900) for i in range(100))
    body = IMG.encode()
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    await request.send(HEAD + fields + length + body)
    return True


async def no_answer(request: Request) -> None:
    await asyncio.sleep(60)


def bomb(encoding: str) -> Answer:
    body = zlib.compress(b"<p>" * 10_000_000, wbits=31 if encoding == "gzip" else 15)
    return answer(body, headers=(*HTML, f"Content-Encoding: {encoding}"))


def twice_zipped() -> Answer:
    body = zlib.compress(zlib.compress(b"<p>" * 10_000_000, wbits=31), wbits=31)
    return answer(body, headers=(*HTML, "Content-Encoding: gzip, gzip"))


NESTED = b"<div>" * 200_000 + IMG.encode()
HOSTILE: dict[str, tuple[Answer, set[str]]] = {
    "/trickle": (trickle, {"timeout"}),
    "/endless-body": (endless_body, {"too_large"}),
    "/endless-chunks": (endless_chunks, {"too_large"}),
    "/endless-headers": (endless_headers, {"protocol"}),
    "/endless-header": (endless_header, {"protocol"}),
    "/endless-folded": (endless_folded_header, {"protocol"}),
    "/endless-status": (endless_status, {"protocol"}),
    "/endless-continue": (endless_continue, {"protocol"}),
    "/long-head": (long_head, {"ok"}),
    "/no-answer": (no_answer, {"timeout"}),
    "/bomb-gzip": (bomb("gzip"), {"too_large"}),
    "/bomb-deflate": (bomb("deflate"), {"too_large"}),
    "/bomb-twice": (twice_zipped(), {"too_large"}),
    "/says-less": (answer(IMG.encode() * 9, headers=HTML, length=len(IMG)), {"ok"}),
    "/says-more": (answer(IMG.encode(), headers=HTML, length=9999), {"protocol"}),
    "/says-huge": (answer(IMG.encode(), headers=HTML, length=10**15), {"too_large"}),
    "/says-minus": (
        answer(IMG.encode(), headers=(*HTML, "Content-Length: -5"), length=0),
        {"protocol", "ok"},
    ),
    "/nested": (answer(NESTED, headers=HTML), {"ok"}),
    "/nul": (answer(b"\0" * 1000 + IMG.encode(), headers=HTML), {"ok"}),
    "/utf-7": (answer(IMG.encode(), headers=("Content-Type: text/html; charset=utf-7",)), {"ok"}),
    "/no-charset": (
        answer(b"\xff\xfe\xfa" + IMG.encode(), headers=("Content-Type: text/html; charset=nope",)),
        {"ok"},
    ),
    "/half-utf-8": (answer(IMG.encode() + b"\xe2\x82", headers=HTML), {"ok"}),
    "/loop": (redirect("/loop"), {"redirect"}),
    "/around": (redirect("/around?" + "x" * 100), {"redirect"}),
    "/to-file": (redirect("file:///etc/passwd"), {"protocol"}),
    "/to-data": (redirect("data:text/html,<p>"), {"protocol"}),
    "/bare-redirect": (answer(b"", "302 Found"), {"protocol"}),
    "/status-999": (answer(b"", "999 Denied"), {"http_5xx"}),
    "/status-0": (answer(IMG.encode(), "0 Zero", HTML), {"ok", "protocol"}),
    "/no-content": (answer(b"", "204 No Content", HTML), {"ok", "not_html"}),
}


def test_each_hostile_answer_is_an_outcome(tmp_path: Path) -> None:
    routes = {path: send for path, (send, _) in HOSTILE.items()}
    routes["/"] = links(*HOSTILE, "/last")
    routes["/last"] = html(IMG)
    # A child inherits the peak of whoever started it.
    before = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    with HostileWeb(routes) as web:
        crawl = Crawl(tmp_path, web.url("/"), timeout_s=4.0, per_host=8, max_page_bytes=2_000_000)
        outcomes = crawl.outcomes(web)
    assert outcomes.pop("/") == outcomes.pop("/last") == "ok"
    wrong = {
        path: outcomes[path]
        for path, (_, expected) in HOSTILE.items()
        if outcomes[path] not in expected
    }
    assert wrong == {}
    others = {path for path in outcomes if path not in HOSTILE}
    assert all(path.startswith("/around?") for path in others), others
    peak_mb = (resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - before) / 1024
    assert peak_mb < 400


def test_a_hostile_site_does_not_stop_the_others(tmp_path: Path) -> None:
    async def deaf(request: Request) -> None:
        await asyncio.sleep(60)

    async def flood(request: Request) -> None:
        await endless_headers(request)

    names: dict[str, Any] = {"127.0.0.4": deaf, "127.0.0.5": flood}
    with HostileWeb({"/": html(IMG)}) as good:
        webs = [HostileWeb({"/robots.txt": send}, host=host) for host, send in names.items()]
        for web in webs:
            web.__enter__()
        try:
            seeds = [web.url("/") for web in webs]
            crawl = Crawl(tmp_path, good.url("/"), *seeds, timeout_s=2.0)
        finally:
            for web in webs:
                web.__exit__()
        outcomes = {row["url"]: row["outcome"] for row in crawl.rows("pages")}
    assert outcomes == {good.url("/"): "ok", seeds[0]: "timeout", seeds[1]: "protocol"}
    assert all(web.paths == ["/robots.txt"] for web in webs)
