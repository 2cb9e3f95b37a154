"""Stage `plan`: which samples become shards, and in which order.

What must be decided over all samples at once lives here: duplicates and the global shuffle. DuckDB
holds the rows in a file of its own under a memory limit, so only 16 bytes a sample are in memory.
A plan depends on what the samples are, never on the parts they lie in or the time they were
fetched.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webpairs_core.errors import NothingLeft
from webpairs_core.files import disk_errors
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage
from webpairs_core.records import Outcome
from webpairs_core.schema import PLAN, REJECTS, SAMPLES, open_part, write_part
from webpairs_filters.near import near_duplicates
from webpairs_pipeline.run import Made, Run
from webpairs_shards.plan import shard_bounds, write_plan

PLAN_PATH = "plan/plan.parquet"
_REJECTS_PATH = "rejects/plan/part-00000.parquet"
_UNIT = "plan"
_MEMORY_LIMIT = "1GB"
_BATCH_ROWS = 8_192
_COLUMNS = ", ".join(f'"{name}"' for name in PLAN.names if name not in ("shard", "row"))


def run(run: Run, stage: Stage) -> Made:
    """Write plan/plan.parquet and the rejects. Raises NothingLeft when no sample is left."""
    if not stage.is_done(_UNIT):
        with (
            disk_errors(),
            stage.unit(_UNIT) as unit,
            tempfile.TemporaryDirectory(dir=stage.scratch) as folder,
            _database(Path(folder), run) as db,
        ):
            _load(db, run)
            reasons = _decide(db, run.recipe.dedup.near_duplicate_distance)
            rows_in = _count(db, "samples")
            kept = rows_in - sum(reasons.values())
            if kept == 0:
                raise NothingLeft(
                    "no image was fetched, so there is nothing to shard: see the reasons in the "
                    "funnel of the fetch stage (webpairs report)"
                )
            n_rejects = write_part(unit.path(_REJECTS_PATH), _rejects(db), REJECTS)
            unit.rows(_REJECTS_PATH, n_rejects)
            bounds = shard_bounds(kept, run.recipe.shards.samples_per_shard)
            write_plan(unit.path(PLAN_PATH), _kept(db), bounds)
            unit.rows(PLAN_PATH, kept)
            unit.commit(Funnel("plan", "samples", rows_in, kept, reasons))
    commit = stage.commit_of(_UNIT)
    assert commit is not None
    (funnel,) = commit.funnels
    n_shards = len(shard_bounds(funnel.kept, run.recipe.shards.samples_per_shard)) - 1
    return Made(
        path=run.out / "plan",
        funnels=(funnel,),
        info={"n_samples": funnel.kept, "n_shards": n_shards},
    )


def _database(folder: Path, run: Run) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        folder / "plan.duckdb",
        config={
            "memory_limit": _MEMORY_LIMIT,
            "temp_directory": str(folder / "spill"),
            "threads": run.workers,
            "preserve_insertion_order": False,
        },
    )


def _load(db: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Table `samples`: the fetched images, `rank` 0 the best of all: most pixels, smallest key."""
    parts = [
        run.out / entry.path
        for entry in run.ledger.outputs("fetch", "samples/")
        if entry.path.endswith(".parquet")
    ]
    for part in parts:
        open_part(part, SAMPLES).close()
    seed = run.recipe.seed.to_bytes(8, "big", signed=True)
    # The order of webpairs_core.keys.shuffle_rank: the hex of a digest sorts as its bytes do.
    db.execute("CREATE MACRO shuffle_rank(key) AS sha256(getvariable('seed_bytes') || key)")
    db.execute("SET VARIABLE seed_bytes = ?::BLOB", [seed])
    limit = f"ORDER BY shuffle_rank(key), page_url, position LIMIT {run.limit}" if run.limit else ""
    db.execute(
        f"""
        CREATE TABLE samples AS
        SELECT row_number() OVER (ORDER BY pixels DESC, key, page_url, position) - 1 AS rank,
               row_number() OVER same_key AS copy,
               {_COLUMNS}
        FROM (
            SELECT *, original_width::BIGINT * original_height AS pixels
            FROM read_parquet(?) WHERE outcome = ? {limit}
        )
        WINDOW same_key AS (PARTITION BY key ORDER BY pixels DESC, page_url, position)
        """,  # noqa: S608 - column names and an int of our own
        [[str(part) for part in parts], Outcome.OK.value],
    )


def _decide(db: duckdb.DuckDBPyConnection, distance: int) -> dict[str, int]:
    """Table `dropped` (rank, reason, dup_of); return the counts by reason.

    The same pair twice goes whatever the recipe says: a shard's keys are unique.
    """
    db.execute("CREATE TABLE dropped (rank BIGINT, reason VARCHAR, dup_of BLOB)")
    db.execute("INSERT INTO dropped SELECT rank, 'duplicate_pair', key FROM samples WHERE copy > 1")
    if distance >= 0:
        found = db.execute("SELECT rank, phash FROM samples WHERE copy = 1 ORDER BY rank")
        columns = found.fetchnumpy()
        near = _near(columns["rank"], columns["phash"], distance)
        db.register("near", near)
        db.execute(
            """
            INSERT INTO dropped
            SELECT near.rank, 'near_duplicate', first.key
            FROM near JOIN samples AS first ON first.rank = near.dup_of
            """
        )
    counts = db.execute("SELECT reason, count(*) FROM dropped GROUP BY reason ORDER BY reason")
    return dict(counts.fetchall())


def _near(ranks: npt.NDArray[np.int64], phashes: npt.NDArray[np.uint64], distance: int) -> pa.Table:
    """The ranks of the near-duplicates, each with the rank of the kept image it repeats."""
    first = near_duplicates(phashes, np.arange(len(phashes)), distance)
    is_dropped = first >= 0
    return pa.table({"rank": ranks[is_dropped], "dup_of": ranks[first[is_dropped]]})


def _rejects(db: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    rows = db.sql(
        """
        SELECT samples.key, 'plan' AS stage, dropped.reason, dropped.dup_of
        FROM dropped JOIN samples USING (rank) ORDER BY samples.key, samples.rank
        """
    )
    yield from rows.to_arrow_reader(_BATCH_ROWS)


def _kept(db: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    rows = db.sql(
        f"""
        SELECT {_COLUMNS} FROM samples ANTI JOIN dropped USING (rank)
        ORDER BY shuffle_rank(key)
        """  # noqa: S608 - column names of our own
    )
    yield from rows.to_arrow_reader(_BATCH_ROWS)


def _count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    ((n,),) = db.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - our own name
    return int(n)
