"""Candidates for the benchmarks of the fetch, made without a crawl."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from webpairs_core.funnel import Funnel
from webpairs_core.ledger import DONE, Ledger
from webpairs_core.schema import CANDIDATES, write_part
from webpairs_crawler.web.urls import host_of


def build(out: Path, urls: Iterable[str], rows_per_part: int) -> None:
    """A finished dedup stage in `out`, in the order of `urls`; nothing is held but one part."""
    stage = Ledger(out).open_stage("dedup", "benchmark")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    n = 0
    with stage.unit("all") as unit:
        for part, some in enumerate(_cut(urls, rows_per_part)):
            columns: dict[str, Any] = {
                "key": [hashlib.sha256(b"%d" % i).digest()[:16] for i in range(n, n + len(some))],
                "url": some,
                "text": [f"picture number {i}" for i in range(n, n + len(some))],
                "host": [host_of(url) for url in some],
                "fetched_at": [now] * len(some),
            }
            arrays = [
                pa.array(columns[f.name], f.type) if f.name in columns else _empty(f, len(some))
                for f in CANDIDATES
            ]
            name = f"candidates/part-{part:06d}.parquet"
            table = pa.Table.from_arrays(arrays, schema=CANDIDATES)
            unit.rows(name, write_part(unit.path(name), [table], CANDIDATES))
            n += len(some)
        unit.commit(Funnel("dedup", "pairs", n, n))
    with stage.unit(DONE) as unit:
        unit.commit(Funnel("dedup", "pairs", n, n))


def _cut(urls: Iterable[str], n: int) -> Iterator[list[str]]:
    left = iter(urls)
    while some := list(islice(left, n)):
        yield some


def _empty(field: pa.Field, n: int) -> pa.Array:
    value: Any = 0
    if pa.types.is_string(field.type):
        value = ""
    elif pa.types.is_list(field.type):
        value = []
    return pa.array([value] * n, field.type)
