"""CPU time of extraction on real pages, all text sources on: `extract_pages.py DATA/warc`.

Prints one JSON line in the form of measure.py's, with two fields more: milliseconds of CPU for the
mean page, and the floor, which is lexbor's parse of the same pages and nothing else. Each page is
read several times and its quickest reading counts: what else the machine does is not ours.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from census import ORDER
from real_pages import real_pages
from webpairs_core.process import collect_rarely
from webpairs_crawler.page.extract import PageSource, read_page
from webpairs_crawler.web.encoding import utf8_page


def quickest(work: Callable[[], object], rounds: int) -> float:
    """The least CPU seconds that one call takes."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    """Time each page, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("warc", type=Path, help="the folder with the WARC files")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    collect_rarely()  # as in the processes that read pages
    n_pages, total_s, floor_s, started = 0, 0.0, 0.0, time.perf_counter()
    for page in real_pages(args.warc):
        source = PageSource(url=page.url, headers=page.headers, texts=ORDER)
        html = utf8_page(page.html, "")
        total_s += quickest(partial(read_page, page.html, source), args.rounds)
        floor_s += quickest(partial(LexborHTMLParser, html), args.rounds)
        n_pages += 1
    wall_s = time.perf_counter() - started
    print(
        json.dumps(
            {
                "name": "extract, all text sources",
                "unit": "pages",
                "n": n_pages,
                "per_s": round(n_pages * 2 * args.rounds / wall_s, 1),
                "per_cpu_s": round(n_pages / total_s, 1),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "ms_per_page": round(total_s / n_pages * 1000, 3),
                "parse_ms_per_page": round(floor_s / n_pages * 1000, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
