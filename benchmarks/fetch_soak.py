"""A million candidates through the fetch stage with the network replaced by a mock: is its memory
flat, and what does a row cost beside the network and the decoding?

The mock answers at once: robots.txt with 404, images mostly with errors of all kinds, one in 50
with a small JPEG that is really decoded. Candidates lie in parts of 1,000 rows, grouped by host;
one host owns a tenth of all.
"""

import argparse
import asyncio
import hashlib
import json
import resource
import tempfile
import threading
import time
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Self, cast

import pyarrow as pa
from PIL import Image

from webpairs_core.funnel import Funnel
from webpairs_core.ledger import DONE, Ledger
from webpairs_core.records import Outcome
from webpairs_core.schema import CANDIDATES, write_part
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


def build(out: Path, n: int) -> None:
    """A finished dedup stage of `n` candidates."""
    stage = Ledger(out).open_stage("dedup", "soak")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with stage.unit("all") as unit:
        for at in range(0, n, ROWS_PER_PART):
            rows = range(at, min(at + ROWS_PER_PART, n))
            hosts = ["giant.example" if i < n // 10 else f"h{i // 20}.example" for i in rows]
            columns: dict[str, Any] = {
                "key": [hashlib.sha256(b"%d" % i).digest()[:16] for i in rows],
                "url": [f"https://{h}/i/{i}.jpg" for h, i in zip(hosts, rows, strict=True)],
                "text": [f"picture number {i}" for i in rows],
                "host": hosts,
                "fetched_at": [now] * len(rows),
            }
            arrays = [
                pa.array(columns[f.name], f.type) if f.name in columns else _empty(f, len(rows))
                for f in CANDIDATES
            ]
            name = f"candidates/part-{at // ROWS_PER_PART:06d}.parquet"
            table = pa.Table.from_arrays(arrays, schema=CANDIDATES)
            unit.rows(name, write_part(unit.path(name), [table], CANDIDATES))
        unit.commit(Funnel("dedup", "pairs", n, n))
    with stage.unit(DONE) as unit:
        unit.commit(Funnel("dedup", "pairs", n, n))


def _empty(field: pa.Field, n: int) -> pa.Array:
    value: Any = 0
    if pa.types.is_string(field.type):
        value = ""
    elif pa.types.is_list(field.type):
        value = []
    return pa.array([value] * n, field.type)


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
        build(out, args.rows)
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
