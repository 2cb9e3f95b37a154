"""Run the fetch stage in this process, on candidates of a web on loopback."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from samples_fixture import make_run
from webpairs_core.schema import SAMPLES, read_table
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import STAGES, run_stage

FETCH = next(spec for spec in STAGES if spec.name == "fetch")


def run_of(
    out: Path,
    *,
    workers: int = 2,
    limit: int | None = None,
    retry: Collection[str] = (),
    **fetch: Any,
) -> Run:
    """A run that asks loopback once for pictures of at least 64 pixels; `fetch` is its section."""
    run = make_run(
        out,
        workers=workers,
        limit=limit,
        crawl={"private_networks": ["127.0.0.0/8"], "site_files": []},
        fetch={"timeout_s": 5, "retries": 0, **fetch},
        image={"min_side_px": 64, "size_px": 64},
    )
    return replace(run, retry=frozenset(retry))


def fetch_stage(out: Path, **options: Any) -> Made:
    """Fetch; `options` are those of `run_of`."""
    return run_stage(FETCH, run_of(out, **options))


def samples(out: Path, pattern: str = "*.parquet") -> pa.Table:
    """The rows of the parts that were committed, in their order."""
    parts = sorted((out / "samples").glob(pattern))
    return pa.concat_tables([read_table(part, SAMPLES) for part in parts])
