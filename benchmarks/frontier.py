"""What a frontier costs: CPU for each URL in and out, memory, open files; ours and Scrapy's.

Each case runs in a process of its own, so that memory is its own. CPU and not wall time is taken.
URLs have 70 characters and are spread evenly over the hosts, so that every host has work: the case
that is hardest for a queue. Scrapy's is its default scheduler (DownloaderAwarePriorityQueue with
its seen-set), in memory and with JOBDIR, fed and emptied as its engine does.
"""

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from webpairs_crawler.frontier.frontier import Answer, Ask, CrawlPlan, Frontier

LINKS_PER_PAGE = 100
RECORD = bytes(20_000)
IN_FLIGHT = 16
MOST_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


class Measured(NamedTuple):
    """One row; times in CPU microseconds."""

    enqueue_us: float
    """For each URL; ours: found as one of 100 links of a page, with all that an answer costs."""
    dequeue_us: float
    answer_us: float | None
    """To keep a page as answered, with a record of 20 kB; None where nothing is kept."""
    mb_per_100k: float
    n_files: int


class Meter:
    """Memory and open files of this process, as growth since it was made."""

    def __init__(self) -> None:
        gc.collect()
        self._rss, self._files = self._now()

    def growth(self) -> tuple[float, int]:
        """Megabytes and descriptors."""
        gc.collect()
        rss, files = self._now()
        return (rss - self._rss) / 2**20, files - self._files

    def _now(self) -> tuple[int, int]:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def urls(n_hosts: int, n_urls: int) -> Iterator[str]:
    """URLs host by host in turn."""
    for i in range(n_urls):
        yield f"http://host-{i % n_hosts:06}.example/section/{i % 7}/a-page-with-a-title-{i:09}"


def ours(n_hosts: int, n_urls: int, n_out: int) -> Measured:
    """The frontier in free order: a link is queued when its page is answered."""
    n_pages = n_urls // LINKS_PER_PAGE
    plan = CrawlPlan(
        seeds=tuple(f"http://seed-{i}.example/" for i in range(n_pages)),
        max_pages=10**9,
        max_depth=10**9,
        allowed_domains=("*",),
        per_host=4,
        order="free",
    )
    with tempfile.TemporaryDirectory() as name:
        frontier = Frontier(Path(name), plan)
        seeds = [ask for _ in range(n_pages) if (ask := frontier.next_ask())]
        meter = Meter()
        addresses = urls(n_hosts, n_urls)
        enqueue_s = dequeue_s = answer_s = 0.0
        for seed in seeds:
            links = tuple(next(addresses) for _ in range(LINKS_PER_PAGE))
            started = time.process_time()
            frontier.answer(seed, Answer("ok", links))
            enqueue_s += time.process_time() - started
        grown_mb, n_files = meter.growth()
        on_the_way: list[Ask] = []
        for _ in range(n_out):
            started = time.process_time()
            ask = frontier.next_ask()
            dequeue_s += time.process_time() - started
            assert ask is not None
            on_the_way.append(ask)
            if len(on_the_way) > IN_FLIGHT:
                done = on_the_way.pop(0)
                started = time.process_time()
                frontier.answer(done, Answer("ok", (), record=RECORD))
                answer_s += time.process_time() - started
        frontier.close()
    return Measured(
        enqueue_us=enqueue_s / n_urls * 1e6,
        dequeue_us=dequeue_s / n_out * 1e6,
        answer_us=answer_s / (n_out - IN_FLIGHT) * 1e6,
        mb_per_100k=grown_mb / n_urls * 1e5,
        n_files=n_files,
    )


class EveryRequestItsHost:
    """The part of Scrapy's downloader that its queue asks: no host is busy."""

    slots: dict[str, Any] = {}

    def get_slot_key(self, request: Any) -> str:
        """As Scrapy does it by default."""
        from scrapy.utils.httpobj import urlparse_cached

        return urlparse_cached(request).hostname or ""


def scrapys(n_hosts: int, n_urls: int, n_out: int, is_on_disk: bool) -> Measured:
    """Scrapy's default scheduler."""
    from scrapy import Request, Spider
    from scrapy.core.scheduler import Scheduler
    from scrapy.utils.test import get_crawler

    with tempfile.TemporaryDirectory() as name:
        crawler = get_crawler(Spider, {"JOBDIR": name} if is_on_disk else {})
        crawler.engine = SimpleNamespace(downloader=EveryRequestItsHost())
        crawler.spider = spider = Spider("bench")
        scheduler = Scheduler.from_crawler(crawler)
        scheduler.open(spider)
        meter = Meter()
        enqueue_s = dequeue_s = 0.0
        for address in urls(n_hosts, n_urls):
            started = time.process_time()
            scheduler.enqueue_request(Request(address))
            enqueue_s += time.process_time() - started
        grown_mb, n_files = meter.growth()
        for _ in range(n_out):
            started = time.process_time()
            assert scheduler.next_request() is not None
            dequeue_s += time.process_time() - started
        scheduler.close("finished")
    return Measured(
        enqueue_us=enqueue_s / n_urls * 1e6,
        dequeue_us=dequeue_s / n_out * 1e6,
        answer_us=None,
        mb_per_100k=grown_mb / n_urls * 1e5,
        n_files=n_files,
    )


def measure(queue: str, n_hosts: int, n_urls: int, n_out: int) -> Measured:
    """One case, in this process."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES))
    if queue == "webpairs":
        return ours(n_hosts, n_urls, n_out)
    return scrapys(n_hosts, n_urls, n_out, is_on_disk=queue == "scrapy JOBDIR")


def main() -> None:
    """Print one Markdown row for each queue and number of hosts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 1000, 5000, 20_000])
    parser.add_argument("--urls", type=int, default=100_000, help="queued in ours")
    parser.add_argument("--scrapy-urls", type=int, default=20_000, help="queued in Scrapy's")
    parser.add_argument("--out", type=int, default=2000, help="dequeued; a tenth in Scrapy's")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        print(json.dumps(measure(args.case, args.hosts[0], args.urls, args.out)))
        return
    print("| queue | hosts | URLs | enqueue µs | dequeue µs | answer µs | MB / 100k | files |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for queue in ("webpairs", "scrapy memory", "scrapy JOBDIR"):
        for n_hosts in args.hosts:
            is_ours = queue == "webpairs"
            n_urls = args.urls if is_ours else max(args.scrapy_urls, n_hosts)
            n_out = args.out if is_ours else args.out // 10
            if queue == "scrapy JOBDIR" and n_hosts > MOST_FILES - 100:
                print(f"| {queue} | {n_hosts:,} | more hosts than files may be open: it fails |")
                continue
            words = ["--hosts", n_hosts, "--urls", n_urls, "--out", n_out, "--case", queue]
            done = subprocess.run(
                [sys.executable, __file__, *map(str, words)], stdout=subprocess.PIPE, check=True
            )
            row = Measured(*json.loads(done.stdout))
            answer = "" if row.answer_us is None else f"{row.answer_us:.0f}"
            print(
                f"| {queue} | {n_hosts:,} | {n_urls:,} | {row.enqueue_us:.0f} "
                f"| {row.dequeue_us:.0f} | {answer} | {row.mb_per_100k:.0f} | {row.n_files:,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
