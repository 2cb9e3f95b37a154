"""kill -9 and Ctrl-C of a crawl at any moment: no page lost, only what was on its way is asked for
again, no pair lost or twice."""

import asyncio
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastwarc.warc import ArchiveIterator

from command import ROOT, WEBPAIRS, webpairs
from hostile_web import Answer, HostileWeb, Request, answer
from webpairs_core.ledger import Ledger, Stage
from webpairs_core.schema import PAGES, PAIRS, read_table
from webpairs_crawler.frontier.frontier import Frontier
from webpairs_crawler.frontier.plan import CrawlPlan
from webpairs_crawler.live.page_parts import PageRecord, committed_pages
from webpairs_crawler.live.spider import CrawlJob
from webpairs_crawler.options import CrawlSection

N_PAGES = 30
NEVER = 9999
STRIDE = 11
SECTION = CrawlSection(
    private_networks=("127.0.0.0/8",), pages_per_part=3, per_host=2, site_files=(), warc_out=True
)


def page(i: int, n_pages: int, delay_s: float) -> Answer:
    """A page of a binary tree, with a picture, a dead link and a link back."""
    hrefs = [f"/{j}" for j in (2 * i + 1, 2 * i + 2) if j < n_pages]
    body = f"<img src=/{i}.jpg alt='picture {i}'><a href=/0>up</a><a href=/dead-{i % 3}>dead</a>"
    body += "".join(f"<a href={href}>down</a>" for href in hrefs)
    send = answer(body.encode(), headers=("Content-Type: text/html",))

    async def slowly(request: Request) -> bool | None:
        await asyncio.sleep(delay_s)
        return await send(request)

    return slowly


def site(n_pages: int = N_PAGES, delay_s: float = 0.0) -> dict[str, Answer]:
    return {f"/{i}": page(i, n_pages, delay_s) for i in range(n_pages)}


class Crawler:
    """Crawls in a process that can be told when to die."""

    def __init__(self) -> None:
        script = [sys.executable, str(ROOT / "tests" / "dying_crawl.py")]
        self._process = subprocess.Popen(
            script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def crawl_until(self, step: int, job: CrawlJob) -> bool:
        """Crawl and kill -9 before the `step`-th durable operation; False when it ended before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        path = job.stage.root / "job"
        path.write_bytes(pickle.dumps(job))
        print(json.dumps({"job": str(path), "step": step}), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def close(self) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()


@pytest.fixture(scope="module")
def crawler() -> Iterator[Crawler]:
    crawler = Crawler()
    yield crawler
    crawler.close()


def plan_of(web: HostileWeb) -> CrawlPlan:
    return CrawlPlan(
        seeds=(web.url("/0"),), max_pages=99, max_depth=9, allowed_domains=(), per_host=2
    )


def job_in(out: Path, web: HostileWeb) -> CrawlJob:
    """A crawl of the site into a folder, as a run of the command would open it."""
    out.mkdir(parents=True, exist_ok=True)
    stage = Ledger(out).open_stage("crawl", "fingerprint")
    return CrawlJob(section=SECTION, plan=plan_of(web), stage=stage)


def answered(job: CrawlJob) -> set[str]:
    """The pages that the folder knows: in committed parts, or as records of the frontier."""
    rows = {row.url for row in committed_pages(job.stage)}
    if (job.stage.work / "frontier").exists():
        rows |= recorded(job.stage.work / "frontier", job.plan)
    return rows


def asked(web: HostileWeb, since: int) -> list[str]:
    return [web.url(path) for path in web.paths[since:] if path != "/robots.txt"]


def left_by(stage: Stage) -> tuple[list[Any], list[Any], list[Any]]:
    """The committed pages, pairs and WARC responses, without their times and parts."""
    rows: dict[str, list[dict[str, Any]]] = {"pages": [], "pairs": []}
    kept = []
    for commit in stage.commits():
        for entry in commit.files:
            kind = entry.path.partition("/")[0]
            path = stage.root / entry.path
            if kind in rows:
                rows[kind] += read_table(path, PAGES if kind == "pages" else PAIRS).to_pylist()
            elif path.suffix == ".gz":
                with path.open("rb") as file:
                    kept += [
                        (record.headers["WARC-Target-URI"], record.reader.read())
                        for record in ArchiveIterator(file, parse_http=True)
                        if record.headers["WARC-Type"] == "response"
                    ]
    pages = sorted((r["url"], r["depth"], r["outcome"], r["links"]) for r in rows["pages"])
    pairs = sorted((r["page_url"], r["position"], r["key"], r["url"]) for r in rows["pairs"])
    return pages, pairs, sorted(kept)


def test_kill_before_every_durable_operation(tmp_path: Path, crawler: Crawler) -> None:
    """Crawls that die before each `STRIDE`-th operation, and begin at each of its offsets."""
    n_pages, n_kills = 7, 0
    with HostileWeb(site(n_pages)) as web:
        quiet = job_in(tmp_path / "quiet", web)
        assert not crawler.crawl_until(NEVER, quiet)
        expected = left_by(quiet.stage)
        assert (len(expected[0]), len(expected[1])) == (n_pages + 3, n_pages)
        assert {url for url, _ in expected[2]} == {row[0] for row in expected[0]}
        for offset in range(STRIDE):
            out = tmp_path / f"killed-{offset}"
            known: set[str] = set()
            already, step, is_killed = len(web.paths), offset, True
            while is_killed:
                n_asked = len(web.paths)
                is_killed = crawler.crawl_until(step, job_in(out, web))
                assert known.isdisjoint(asked(web, n_asked))
                known = answered(job_in(out, web))
                step = STRIDE
                n_kills += is_killed
            counts = Counter(asked(web, already))
            assert set(counts) == {row[0] for row in expected[0]}
            job = job_in(out, web)
            assert left_by(job.stage) == expected
            assert not [path for path in (out / "run/tmp").rglob("*") if path.is_file()]
            assert not list(job.stage.work.glob("*.gz"))
    assert n_kills > 2 * STRIDE


def test_kill_again_and_again_at_any_moment(tmp_path: Path, crawler: Crawler) -> None:
    rng = random.Random(0)
    with HostileWeb(site(N_PAGES, 0.01)) as web:
        quiet = job_in(tmp_path / "quiet", web)
        assert not crawler.crawl_until(NEVER, quiet)
        out = tmp_path / "killed"
        n_kills = 0
        while crawler.crawl_until(rng.randrange(1, 25), job_in(out, web)):
            n_kills += 1
            known = answered(job_in(out, web))
            already = len(web.paths)
            crawler.crawl_until(rng.randrange(3, 12), job_in(out, web))
            assert known.isdisjoint(asked(web, already))
        assert n_kills > 3
        assert left_by(job_in(out, web).stage) == left_by(quiet.stage)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_command(tmp_path: Path, sign: signal.Signals) -> None:
    """On SIGINT and SIGTERM what is there is committed though the part is not full."""
    recipe = tmp_path / "recipe.toml"
    out = tmp_path / "out"
    with HostileWeb(site(N_PAGES, 0.05)) as web:
        recipe.write_text(
            f'name = "t"\n[crawl]\nseeds = ["{web.url("/0")}"]\nper_host = 1\nsite_files = []\n'
            'private_networks = ["127.0.0.0/8"]\n'
        )
        words = [*WEBPAIRS, "crawl", str(recipe), "--out", str(out)]
        process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while len(web.paths) < 12 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, sign)
        _, err = process.communicate(timeout=60)
        time.sleep(0.5)
        [work] = (out / "run" / "work").glob("crawl-*")
        committed = {row.url for row in committed_pages(Ledger(out).stage("crawl"))}
        if sign is signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 130, err
            assert "Traceback" not in err
            assert len(committed) >= 8
        already = len(web.paths)
        time.sleep(0.3)
        assert len(web.paths) == already, "the crawling process outlived its parent"
        known = committed | recorded(work / "frontier", plan_of(web))
        assert len(known) >= 8
        webpairs("crawl", recipe, "--out", out).ok()
        assert known.isdisjoint(asked(web, already))
        pages = [row.url for row in committed_pages(Ledger(out).stage("crawl"))]
        assert len(pages) == len(set(pages)) == N_PAGES + 3


def recorded(folder: Path, plan: CrawlPlan) -> set[str]:
    """The pages whose records a frontier keeps."""
    frontier = Frontier(folder, plan)
    decode = msgspec.msgpack.Decoder(PageRecord).decode
    urls = {decode(data).row.url for _, data in frontier.records()}
    frontier.close()
    return urls
