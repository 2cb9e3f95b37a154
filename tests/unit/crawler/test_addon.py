"""The Scrapy add-on in spiders that are not ours, run by `scrapy runspider` as their owners do."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from command import ROOT
from hostile_web import Answer, HostileWeb, Request, answer, redirect

HTML = ("Content-Type: text/html",)
LOCAL = {"private_networks": ["127.0.0.0/8"], "contact": "who@crawler.example"}


def scrapy(folder: Path, spider: Path, *words: str, **crawl: Any) -> subprocess.Popen[str]:
    """`scrapy runspider` in a folder, with fields of `WEBPAIRS_CRAWL`."""
    settings = f"WEBPAIRS_CRAWL={json.dumps(LOCAL | crawl)}"
    return subprocess.Popen(
        [sys.executable, "-m", "scrapy", "runspider", str(spider), "-s", settings, *words],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def finished(process: subprocess.Popen[str]) -> str:
    """What a run said; asserts that it ended well."""
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err, err
    return err


def page(i: int, n_pages: int) -> Answer:
    links = "".join(f"<a href=/{j}>x</a>" for j in (2 * i + 1, 2 * i + 2, 0) if j < n_pages)
    send = answer(f"<img src=/{i}.jpg alt='picture {i}'>{links}".encode(), headers=HTML)

    async def slowly(request: Request) -> bool | None:
        await asyncio.sleep(0.03)
        return await send(request)

    return slowly


def test_the_documented_example_survives_kill_9(tmp_path: Path) -> None:
    n_pages = 40
    example = ROOT / "docs" / "own_spider.py"
    feed = tmp_path / "pairs.jsonl"
    with HostileWeb({f"/{i}": page(i, n_pages) for i in range(n_pages)}) as web:
        words = ("-a", f"seed={web.url('/0')}", "-o", str(feed))
        process = scrapy(tmp_path, example, *words)
        deadline = time.monotonic() + 60
        while len(web.paths) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        time.sleep(0.2)
        assert 15 < len(web.paths) < n_pages
        finished(scrapy(tmp_path, example, *words))
        counts = Counter(path for path in web.paths if not path.endswith((".txt", ".json")))
        agents = web.agents
    assert set(counts) == {f"/{i}" for i in range(n_pages)}
    assert sum(counts.values()) - n_pages <= 4
    items = [json.loads(line) for line in feed.read_text().splitlines()]
    assert {item["text"] for item in items} == {f"picture {i}" for i in range(n_pages)}
    assert [agent.endswith(" (+who@crawler.example)") for agent in agents] == [True]


def test_the_documented_example_leaves_out_what_is_reserved_and_says_what_it_passes_by(
    tmp_path: Path,
) -> None:
    feed = tmp_path / "pairs.jsonl"
    links = b"<a href=/noai>x</a><a href=/secret>x</a><img src=a.jpg alt='a kite'>"
    noai = b"<meta name=robots content=noai><img src=b.jpg alt='a reserved owl'>"
    routes = {
        "/robots.txt": answer(b"User-agent: *\nDisallow: /secret"),
        "/": answer(links, headers=HTML),
        "/noai": answer(noai, headers=HTML),
    }
    with HostileWeb(routes) as web:
        words = ("-a", f"seed={web.url('/')}", "-o", str(feed))
        log = finished(scrapy(tmp_path, ROOT / "docs" / "own_spider.py", *words))
        assert "/noai" in web.paths
        assert f"Kept away from {web.url('/secret')}: robots" in log
    assert [json.loads(line)["text"] for line in feed.read_text().splitlines()] == ["a kite"]


def test_the_example_is_short() -> None:
    lines = (ROOT / "docs" / "own_spider.py").read_text().partition('"""\n\n')[2].splitlines()
    assert len([line for line in lines if line.strip()]) <= 21


SPIDER = """
import scrapy
from webpairs_core.records import TextSource
from webpairs_crawler.live.addon import page_of


class Spider(scrapy.Spider):
    name = "odd"
    custom_settings = {
        "ADDONS": {"webpairs_crawler.live.addon.WebpairsAddon": 100},
        "WEBPAIRS_FRONTIER_DIR": "frontier",
        "LOG_LEVEL": "ERROR",
    }

    async def start(self):
        yield scrapy.Request(self.base + "/", dont_filter=True)

    def parse(self, response):
        yield response.follow("/kept", self.parse_kept, meta=response.meta, cb_kwargs={"n": 7})
        yield scrapy.FormRequest(self.base + "/form", formdata={"a": "1"}, callback=self.parse_kept)
        yield scrapy.FormRequest(self.base + "/form", formdata={"a": "2"}, callback=self.parse_kept)
        yield response.follow("/kept", self.parse_kept)
        yield response.follow("/", dont_filter=True, callback=self.parse_kept)
        yield response.follow("/moved", self.parse_kept)
        yield response.follow("/busy", self.parse_kept)
        yield response.follow("/gone", errback=self.on_error)
        yield response.follow("/secret", errback=self.on_error)
        yield response.follow("/lambda", lambda response: None)
        yield scrapy.Request("file:///etc/hostname", errback=self.on_error)
        yield response.follow("/proxied", errback=self.on_error, meta={"proxy": "http://127.0.0.1:9"})

    def parse_kept(self, response, n=0):
        page = page_of(response, [TextSource.TITLE])
        yield {"url": response.url[len(self.base):], "n": n, "method": response.request.method,
               "texts": [pair.text for pair in page.pairs], "optout": page.optout}

    def on_error(self, failure):
        yield {"url": failure.request.url.replace(self.base, ""), "error": str(failure.value)}
"""


def test_requests_of_every_kind(tmp_path: Path) -> None:
    async def busy(request: Request) -> bool | None:
        send = kept if web.count("/busy") > 1 else answer(b"", "503 Busy", ("Retry-After: 1",))
        return await send(request)

    kept = answer(b"<img src=a.png title='a title'>", headers=HTML)
    robots = b"User-agent: *\nDisallow: /secret\nContent-Usage: train-ai=n"
    spider = tmp_path / "spider.py"
    spider.write_text(SPIDER)
    routes = {
        "/": answer(b"<p>", headers=HTML),
        "/robots.txt": answer(robots),
        **dict.fromkeys(("/kept", "/form", "/target"), kept),
        "/moved": redirect("/target"),
        "/busy": busy,
    }
    with HostileWeb(routes) as web:
        words = ("-a", f"base={web.url('')}", "-o", "items.jsonl")
        log = scrapy(tmp_path, spider, *words, optout="report").communicate(timeout=60)[1]
        n_asked = len(web.paths)
        finished(scrapy(tmp_path, spider, *words, optout="report"))
        again = web.paths[n_asked:]
    lines = (tmp_path / "items.jsonl").read_text().splitlines()
    items = sorted((json.loads(line) for line in lines), key=lambda item: str(item))
    by_url = {item["url"]: item for item in items}
    assert [i["method"] for i in items if i["url"] == "/form"] == ["POST", "POST"]
    assert by_url["/kept"]["n"] == 7
    assert by_url["/kept"]["texts"] == ["a title"]
    assert any("train-ai=n" in seen for seen in by_url["/kept"]["optout"])
    assert by_url["/target"]["texts"] == ["a title"]
    assert by_url["/busy"]["texts"] == ["a title"]
    assert by_url["/secret"]["error"] == "robots"
    assert by_url["/proxied"]["error"] == "refused_private"
    assert by_url["file:///etc/hostname"]["error"] == "bad_url"
    assert "/lambda> is dropped, because it cannot be kept on disk" in log
    counts = Counter(web.paths[:n_asked])
    assert (counts["/"], counts["/kept"], counts["/form"], counts["/busy"]) == (2, 1, 2, 2)
    assert "/secret" not in counts
    # All is answered: the second run asks for nothing.
    assert again == []


def test_a_wrong_setting_is_one_sentence(tmp_path: Path) -> None:
    spider = tmp_path / "spider.py"
    spider.write_text(SPIDER)
    _, err = scrapy(tmp_path, spider, "-a", "base=http://127.0.0.1/", retrys=3).communicate()
    assert "WEBPAIRS_CRAWL is not valid: Object contains unknown field `retrys`" in err
