"""kill -9 and Ctrl-C of a crawl at any moment: no page lost or asked for again, no pair twice."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from command import ROOT, WEBPAIRS, webpairs
from hostile_web import Answer, HostileWeb, Request, answer
from webpairs_core.ledger import Ledger
from webpairs_core.schema import PAGES, PAIRS, read_table
from webpairs_crawler.frontier.plan import CrawlPlan
from webpairs_crawler.live.page_parts import committed_pages
from webpairs_crawler.live.spider import CrawlJob
from webpairs_crawler.options import CrawlSection

N_PAGES = 30
SECTION = CrawlSection(private_networks=("127.0.0.0/8",), pages_per_part=4)

CRAWL_AND_DIE = """
import os, pickle, signal, sys
from multiprocessing import Pipe
from webpairs_core import files
from webpairs_crawler.live.spider import crawl_pages

left = int(sys.argv[1])

def on_step(step):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

files.on_step = on_step
ours, theirs = Pipe()
crawl_pages(pickle.load(open(sys.argv[2], "rb")), theirs)
"""


def page(i: int, delay_s: float) -> Answer:
    """A page of a binary tree, with a picture, a dead link and a link back."""
    hrefs = [f"/{j}" for j in (2 * i + 1, 2 * i + 2) if j < N_PAGES]
    body = f"<img src=/{i}.jpg alt='picture {i}'><a href=/0>up</a><a href=/dead-{i % 3}>dead</a>"
    body += "".join(f"<a href={href}>down</a>" for href in hrefs)
    send = answer(body.encode(), headers=("Content-Type: text/html",))

    async def slowly(request: Request) -> bool | None:
        await asyncio.sleep(delay_s)
        return await send(request)

    return slowly


def site(delay_s: float = 0.0) -> dict[str, Answer]:
    return {f"/{i}": page(i, delay_s) for i in range(N_PAGES)}


def crawl_until(step: int, out: Path, web: HostileWeb) -> bool:
    """Crawl in a process of its own and kill -9 it before its `step`-th durable operation.

    False when it finished before that.
    """
    plan = CrawlPlan(
        seeds=(web.url("/0"),), max_pages=99, max_depth=9, allowed_domains=(), per_host=4
    )
    stage = Ledger(out).open_stage("crawl", "fingerprint")
    committed = {row.url for row in committed_pages(stage)}
    already = len(web.paths)
    job = out.parent / "job"
    job.write_bytes(pickle.dumps(CrawlJob(section=SECTION, plan=plan, stage=stage)))
    done = subprocess.run(
        [sys.executable, "-c", CRAWL_AND_DIE, str(step), str(job)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    again = {web.url(path) for path in web.paths[already:]} & committed
    assert again == set()
    return done.returncode != 0


def left_by(out: Path) -> tuple[list[Any], list[Any]]:
    """The committed pages and pairs, without their times and parts."""
    stage = Ledger(out).open_stage("crawl", "fingerprint")
    rows: dict[str, list[dict[str, Any]]] = {"pages": [], "pairs": []}
    for commit in stage.commits():
        for entry in commit.files:
            kind = entry.path.partition("/")[0]
            table = read_table(out / entry.path, PAGES if kind == "pages" else PAIRS)
            rows[kind] += table.to_pylist()
    pages = sorted((r["url"], r["depth"], r["outcome"], r["links"]) for r in rows["pages"])
    pairs = sorted((r["page_url"], r["position"], r["key"], r["url"]) for r in rows["pairs"])
    return pages, pairs


def test_kill_between_durable_operations(tmp_path: Path) -> None:
    with HostileWeb(site()) as web:
        quiet, killed = tmp_path / "a" / "out", tmp_path / "b" / "out"
        quiet.mkdir(parents=True)
        killed.mkdir(parents=True)
        assert not crawl_until(999, quiet, web)
        expected = left_by(quiet)
        assert len(expected[0]) == N_PAGES + 3
        assert len(expected[1]) == N_PAGES
        n_kills = sum(crawl_until(step, killed, web) for step in (0, 2, 3, 4, 5, 7, 11))
        assert n_kills >= 5
        assert not crawl_until(999, killed, web)
        assert left_by(killed) == expected
        assert not list((killed / "run/tmp").rglob("*.parquet"))


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_command(tmp_path: Path, sign: signal.Signals) -> None:
    """On SIGINT and SIGTERM what is there is committed though the part is not full."""
    recipe = tmp_path / "recipe.toml"
    out = tmp_path / "out"
    with HostileWeb(site(0.05)) as web:
        recipe.write_text(
            f'name = "t"\n[crawl]\nseeds = ["{web.url("/0")}"]\nper_host = 1\n'
            'private_networks = ["127.0.0.0/8"]\n'
        )
        words = [*WEBPAIRS, "crawl", str(recipe), "--out", str(out)]
        process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while len(web.paths) < 12 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, sign)
        _, err = process.communicate(timeout=60)
        committed = {row.url for row in committed_pages(Ledger(out).stage("crawl"))}
        if sign is signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 130, err
            assert "Traceback" not in err
            assert len(committed) >= 8
        already = len(web.paths)
        time.sleep(0.5)
        assert len(web.paths) <= already + 1, "the crawling process outlived its parent"
        already = len(web.paths)
        webpairs("crawl", recipe, "--out", out).ok()
        assert {web.url(path) for path in web.paths[already:]}.isdisjoint(committed)
        pages = [row.url for row in committed_pages(Ledger(out).stage("crawl"))]
        assert len(pages) == len(set(pages)) == N_PAGES + 3
