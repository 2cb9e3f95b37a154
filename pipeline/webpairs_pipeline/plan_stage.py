"""Stage `plan`: which samples become shards, and in which order.

What must be decided over all samples at once lives here: duplicates and the global shuffle. DuckDB
holds the rows in a file of its own under a memory limit; only the images' hashes are in memory. A
plan depends on what the samples are, never on the parts they lie in or when they were fetched.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from webpairs_core.errors import NothingLeft, PartCorrupt, StorageError
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage, UnitWriter
from webpairs_core.records import Outcome
from webpairs_core.schema import PLAN, REJECTS, SAMPLES, open_part, write_part
from webpairs_filters.near import near_duplicates
from webpairs_pipeline.run import Made, Run
from webpairs_shards.plan import shard_bounds, write_plan

PLAN_PATH = "plan/plan.parquet"
_REJECTS_PATH = "rejects/plan/part-00000.parquet"
_UNIT = "plan"
_NO_IMAGE = (
    "no image was fetched, so there is nothing to shard: the funnel of the fetch stage "
    "(webpairs report OUT) says why"
)
_MEMORY_LIMIT = "1GB"
_BATCH_ROWS = 8_192
_COLUMNS = ", ".join(f'"{name}"' for name in PLAN.names if name not in ("shard", "row"))


def run(run: Run, stage: Stage) -> Made:
    """Write plan/plan.parquet and the rejects. Raises NothingLeft when no image was fetched."""
    if not stage.is_done(_UNIT):
        with stage.unit(_UNIT) as unit, _samples(run, stage) as db:
            unit.commit(_plan(run, unit, db))
    commit = stage.commit_of(_UNIT)
    assert commit is not None
    (funnel,) = commit.funnels
    bounds = shard_bounds(funnel.kept, run.recipe.shards.samples_per_shard)
    info = {"n_samples": funnel.kept, "n_shards": len(bounds) - 1}
    return Made(path=run.out / "plan", funnels=(funnel,), info=info)


def _plan(run: Run, unit: UnitWriter, db: duckdb.DuckDBPyConnection) -> Funnel:
    ((rows_in,),) = db.execute("SELECT count(*) FROM samples").fetchall()
    if rows_in == 0:
        raise NothingLeft(_NO_IMAGE)
    _drop_near_duplicates(db, run.recipe.dedup.near_duplicate_distance)
    n_rejects = write_part(unit.path(_REJECTS_PATH), _rejects(db), REJECTS)
    unit.rows(_REJECTS_PATH, n_rejects)
    kept = rows_in - n_rejects
    write_plan(
        unit.path(PLAN_PATH), _kept(db), shard_bounds(kept, run.recipe.shards.samples_per_shard)
    )
    unit.rows(PLAN_PATH, kept)
    reasons = {"near_duplicate": n_rejects} if n_rejects else {}
    return Funnel("plan", "samples", rows_in, kept, reasons)


@contextmanager
def _samples(run: Run, stage: Stage) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database, gone afterwards, with table `samples`: the fetched images, `rank` 0 the best."""
    parts = [
        run.out / entry.path
        for entry in run.ledger.outputs("fetch", "samples/")
        if entry.path.endswith(".parquet")
    ]
    if not parts:
        raise NothingLeft(_NO_IMAGE)
    for part in parts:
        open_part(part, SAMPLES).close()
    try:
        with (
            tempfile.TemporaryDirectory(dir=stage.scratch) as folder,
            _database(Path(folder), run) as db,
        ):
            _load(db, parts, run)
            yield db
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise _too_little(error) from error
    except duckdb.Error as error:
        raise PartCorrupt(
            f"a part in {run.out / 'samples'} is damaged ({_line(error)}): run the fetch again "
            "with --fresh"
        ) from error


def _database(folder: Path, run: Run) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(
        folder / "plan.duckdb",
        config={
            "memory_limit": _MEMORY_LIMIT,
            "temp_directory": str(folder / "spill"),
            "threads": run.workers,
            "preserve_insertion_order": False,
        },
    )
    # It draws on stdout, terminal or not, and stdout carries the command's result.
    db.execute("SET enable_progress_bar = false")
    return db


def _load(db: duckdb.DuckDBPyConnection, parts: list[Path], run: Run) -> None:
    # The order of webpairs_core.keys.shuffle_rank: the hex of a digest sorts as its bytes do.
    db.execute("CREATE MACRO shuffle_rank(key) AS sha256(getvariable('seed') || key)")
    db.execute("SET VARIABLE seed = ?::BLOB", [run.recipe.seed.to_bytes(8, "big", signed=True)])
    limit = f"ORDER BY shuffle_rank(key) LIMIT {run.limit}" if run.limit else ""
    db.execute(
        f"""
        CREATE TABLE samples AS
        SELECT row_number() OVER best_first - 1 AS rank, {_COLUMNS}
        FROM (SELECT * FROM read_parquet(?) WHERE outcome = ? {limit})
        WINDOW best_first AS (ORDER BY original_width::BIGINT * original_height DESC, key)
        """,  # noqa: S608 - column names and an int of our own
        [[str(part) for part in parts], Outcome.OK.value],
    )


def _drop_near_duplicates(db: duckdb.DuckDBPyConnection, distance: int) -> None:
    """Table `dropped`: the rank of each near-duplicate and that of the image it repeats."""
    phashes = db.execute("SELECT phash FROM samples ORDER BY rank").fetchnumpy()["phash"]
    kept_row = near_duplicates(phashes, np.arange(len(phashes)), distance)
    ranks = np.flatnonzero(kept_row >= 0)
    found = pa.table({"rank": ranks, "dup_of": kept_row[ranks]})
    db.register("found", found)
    db.execute("CREATE TABLE dropped AS SELECT rank, dup_of FROM found")
    db.unregister("found")


def _rejects(db: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    rows = db.sql(
        """
        SELECT twin.key, 'plan' AS stage, 'near_duplicate' AS reason, first.key AS dup_of
        FROM dropped
        JOIN samples AS twin ON twin.rank = dropped.rank
        JOIN samples AS first ON first.rank = dropped.dup_of
        ORDER BY twin.key
        """
    )
    yield from _batches(rows)


def _kept(db: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    rows = db.sql(
        f"SELECT {_COLUMNS} FROM samples ANTI JOIN dropped USING (rank) "  # noqa: S608 - our names
        "ORDER BY shuffle_rank(key)"
    )
    yield from _batches(rows)


def _batches(rows: duckdb.DuckDBPyRelation) -> Iterator[pa.RecordBatch]:
    try:
        yield from rows.to_arrow_reader(_BATCH_ROWS)
    except (OSError, pa.ArrowInvalid) as error:
        # Behind an Arrow stream, DuckDB's errors take these kinds. The parts were read by _load.
        raise _too_little(error) from error


def _too_little(error: Exception) -> StorageError:
    return StorageError(
        f"planning the shards needs more memory or disk than there is ({_line(error)}): free some "
        "space or choose another place with --out, and run the same command again"
    )


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
