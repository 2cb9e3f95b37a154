"""What a page costs in the crawl stage, start-up included, over a site on loopback; and what the
same site costs Scrapy as it comes.

Without --pages-from the pages are made: 60 kB of HTML, 20 images with alt, 30 links. With it they
are the real pages of a folder of WARC files, taken again and again if there are fewer, with links
added so that they chain. CPU is that of the crawl alone; the server runs outside of what is
measured. `cpu_ms` is milliseconds of CPU for each page.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from measure import Cost, cost_of, report
from webpairs_pipeline.recipe import ServeSection
from webpairs_pipeline.serve import serving

WORDS = ("red", "small", "house", "street", "under", "light", "people", "old", "river", "city")
HOST = "127.0.0.2"
STOCK = Path(__file__).with_name("stock_spider.py")


def made_pages(rng: random.Random) -> Iterator[bytes]:
    """Pages like real articles: paragraphs, images with alts, links that lead nowhere."""
    number = 0
    while True:
        blocks = []
        for i in range(60):
            text = " ".join(rng.choices(WORDS, k=150))
            blocks.append(f"<div class='block'><p>{text}</p></div>")
            if i % 3 == 0:
                alt = " ".join(rng.choices(WORDS, k=8))
                blocks.append(f'<img src="/m/{number}-{i}.jpg" alt="{alt}" width=640 height=480>')
            if i % 3 == 1:
                blocks.append(f'<a href="http://elsewhere.example/{number}-{i}">{text[:40]}</a>')
        head = f"<!doctype html><html lang=en><title>{number}</title>"
        yield (head + "".join(blocks)).encode()
        number += 1


def archived_pages(folder: Path) -> Iterator[bytes]:
    """The HTML of all responses in a folder's WARC files."""
    for path in sorted(folder.rglob("*.warc.gz")):
        with path.open("rb") as file:
            records = ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True)
            for record in records:
                kind = record.http_content_type or ""
                body = record.reader.read()
                if kind.startswith("text/html") and len(body) > 1000:
                    yield body


def write_site(folder: Path, pages: Iterator[bytes], n_pages: int, port: int) -> int:
    """Write the pages with ten links added to each; gives their number."""
    rng = random.Random(0)
    bodies = list(islice(pages, n_pages))
    bodies = list(islice(cycle(bodies), n_pages))
    for number, body in enumerate(bodies):
        others = [(number + 1) % len(bodies), *rng.choices(range(len(bodies)), k=9)]
        added = "".join(f'<a href="http://{HOST}:{port}/page-{i}.html">{i}</a>' for i in others)
        (folder / f"page-{number}.html").write_bytes(_with(body, added.encode()))
    index = "".join(f'<a href="page-{i}.html">{i}</a>' for i in range(0, len(bodies), 20))
    (folder / "index.html").write_text(f"<!doctype html><html lang=en>{index}</html>")
    return len(bodies)


def _with(body: bytes, added: bytes) -> bytes:
    """A page with links at the start of its body; its own relative links lead elsewhere."""
    base = b'<base href="http://elsewhere.example/">'
    return _after(rb"<body\b[^>]*>", added, _after(rb"<head\b[^>]*>", base, body))


def _after(tag: bytes, added: bytes, body: bytes) -> bytes:
    found = re.search(tag, body, re.IGNORECASE)
    end = found.end() if found else 0
    return body[:end] + added + body[end:]


def stock_cost(folder: Path, seed: str) -> tuple[int, Cost]:
    """Crawl with the stock spider; gives the pages it asked for and what that took."""
    started = time.perf_counter()
    words = ["-m", "scrapy", "runspider", str(STOCK), "-a", f"seed={seed}", "-o", "pairs.jsonl"]
    with subprocess.Popen(
        [sys.executable, *words], cwd=folder, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    n_pages = (folder / "stock.log").read_text().count("DEBUG: Crawled (200)")
    cpu_s = usage.ru_utime + usage.ru_stime
    return n_pages, Cost(time.perf_counter() - started, cpu_s, usage.ru_maxrss / 1024, {})


def main() -> None:
    """Write the site, serve it, crawl it both ways, print two JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--pages-from", type=Path, help="a folder of .warc.gz files")
    parser.add_argument("--port", type=int, default=8571)
    parser.add_argument("--concurrency", type=int, default=16)
    args = parser.parse_args()
    kind = "real pages" if args.pages_from else "pages"
    pages = archived_pages(args.pages_from) if args.pages_from else made_pages(random.Random(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = folder / "site" / "host"
        site.mkdir(parents=True)
        n_pages = write_site(site, pages, args.pages, args.port)
        seed = f"http://{HOST}:{args.port}/index.html"
        recipe = folder / "bench.toml"
        recipe.write_text(
            'name = "bench"\n[crawl]\nprivate_networks = ["127.0.0.0/8"]\nmax_depth = 1000\n'
            f'seeds = ["{seed}"]\nmax_pages = {n_pages + 1}\nper_host = {args.concurrency}\n'
            f"concurrency = {args.concurrency}\n"
        )
        section = ServeSection(web="folders", path=str(folder / "site"), port=args.port)
        with serving(section, folder / "out"):
            cost = cost_of("crawl", recipe, "--out", folder / "out")
            n_stock, stock = stock_cost(folder, seed)
        [funnel] = cost.result["stages"]["crawl"]["funnels"]
        report("crawl", kind, funnel["kept"], cost)
        report("crawl by Scrapy's defaults", kind, n_stock, stock)


if __name__ == "__main__":
    main()
