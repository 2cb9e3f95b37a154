"""A million candidates through the fetch stage with the network replaced by a mock: is its memory
flat, and what does a row cost beside the network and the decoding?

The mock answers at once: robots.txt with 404, images mostly with errors of all kinds, one in 50
with a small JPEG that is really decoded. Candidates lie in parts of 1,000 rows, grouped by host;
one host owns a tenth of all.
"""

import argparse
import asyncio
import json
import resource
import tempfile
import threading
import time
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Self, cast

from PIL import Image

from candidates import build
from webpairs_core.records import Outcome
from webpairs_crawler.images.answers import Fetched
from webpairs_crawler.images.client import Client
from webpairs_crawler.images.errand import Wanted
from webpairs_crawler.images.fetcher import Fetcher
from webpairs_pipeline.fetch import stage as fetch_stage
from webpairs_pipeline.recipe import recipe_from
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import STAGES, run_stage

ROWS_PER_PART = 1000
_FAILURES = (
    Fetched(outcome=Outcome.HTTP_4XX, http_status=404),
    Fetched(outcome=Outcome.NOT_IMAGE, http_status=200),
    Fetched(outcome=Outcome.HTTP_4XX, http_status=403),
    Fetched(outcome=Outcome.TOO_LARGE, http_status=200),
)


class MockClient:
    """Answers without any network."""

    def __init__(self) -> None:
        stream = BytesIO()
        Image.linear_gradient("L").resize((300, 240)).convert("RGB").save(stream, "JPEG")
        self._jpeg = stream.getvalue()
        self._n = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    async def ask(self, url: str, wanted: Wanted, timeout_s: float) -> Fetched | str:
        del url, timeout_s
        await asyncio.sleep(0)
        if wanted.where is None:
            return _FAILURES[0]
        self._n += 1
        if self._n % 50 == 0:
            return Fetched(outcome=Outcome.OK, http_status=200, data=self._jpeg, etag='"1"')
        return _FAILURES[self._n % len(_FAILURES)]


def url_of(i: int, n: int) -> str:
    """Number `i` of `n`: one host owns a tenth of all, the others 20 each."""
    host = "giant.example" if i < n // 10 else f"h{i // 20}.example"
    return f"https://{host}/i/{i}.jpg"


def _watch(found: list[float], is_over: threading.Event) -> None:
    page = resource.getpagesize()
    while not is_over.wait(0.5):
        n_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        found.append(n_pages * page / 1e6)


def main() -> None:
    """Build, fetch, print memory by tenths of the run and CPU by row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        build(out, (url_of(i, args.rows) for i in range(args.rows)), ROWS_PER_PART)
        raw = {"name": "soak", "fetch": {"retries": 0}, "image": {"min_side_px": 16}}
        run = Run(recipe=recipe_from(raw, [], "soak"), out=out, workers=1)
        mocked = partial(Fetcher, client=cast(Client, MockClient()))
        setattr(fetch_stage, "Fetcher", mocked)  # noqa: B010 - a name that the module imports
        spec = next(spec for spec in STAGES if spec.name == "fetch")
        found: list[float] = []
        is_over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(found, is_over))
        watcher.start()
        began, cpu = time.monotonic(), time.process_time()
        made = run_stage(spec, run)
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        is_over.set()
        watcher.join()
        tenths = [found[len(found) * i // 10] for i in range(10)] + [found[-1]]
        [funnel] = made.funnels
        print(
            json.dumps(
                {
                    "rows": funnel.rows_in,
                    "kept": funnel.kept,
                    "wall_s": round(took, 1),
                    "cpu_us_a_row": round(cpu / args.rows * 1e6, 1),
                    "rss_mb_by_tenths": [round(mb) for mb in tenths],
                    "rss_mb_peak": round(max(found)),
                }
            )
        )


if __name__ == "__main__":
    main()
