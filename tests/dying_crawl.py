"""A process that crawls in forked children and has them killed before a chosen durable operation.

Forked, because a crawl's imports take longer than the crawls of these tests. Reads lines of JSON
`{"job": PATH, "step": N}` from stdin and answers each with the child's exit code; run as a script.
"""

import json
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from webpairs_core import files
from webpairs_core.schema import pairs_table
from webpairs_crawler.archive.writer import WarcWriter
from webpairs_crawler.frontier.frontier import Frontier
from webpairs_crawler.live.spider import crawl_pages

_STEPS = (
    (Frontier, "answer"),
    (Frontier, "drop_records"),
    (Frontier, "sync"),
    (WarcWriter, "write"),
    (WarcWriter, "truncate"),
)
"""What is durable beside the operations that `files.on_step` announces."""


_IMPORTED_WHILE_CRAWLING = (
    "scrapy.core.engine",
    "scrapy.core.scraper",
    "scrapy.downloadermiddlewares.httpcompression",
    "scrapy.pipelines",
    "uvloop",
    "webpairs_crawler.live.addon",
    "webpairs_crawler.live.http_handler",
    "webpairs_crawler.live.scheduler",
)


class _Countdown:
    def __init__(self, n_left: int) -> None:
        self.n_left = n_left

    def __call__(self, step: str) -> None:
        del step
        self.n_left -= 1
        if self.n_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, kind: type[Any], name: str) -> None:
        method: Callable[..., Any] = getattr(kind, name)

        def stepping(*args: Any, **kwargs: Any) -> Any:
            self(name)
            return method(*args, **kwargs)

        setattr(kind, name, stepping)


def _crawl(job: Path, step: int) -> None:
    countdown = _Countdown(step)
    files.on_step = countdown
    for kind, name in _STEPS:
        countdown.before(kind, name)
    ours, theirs = Pipe()
    crawl_pages(pickle.loads(job.read_bytes()), theirs)
    while ours.poll():
        last = ours.recv()
        if isinstance(last, BaseException):
            raise last


def _fail(*error: Any) -> None:
    traceback.print_exception(*error)
    os._exit(1)


def main() -> None:
    """Serve until stdin ends."""
    for name in _IMPORTED_WHILE_CRAWLING:
        import_module(name)
    pairs_table([])
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            sys.excepthook = _fail
            _crawl(Path(order["job"]), order["step"])
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
