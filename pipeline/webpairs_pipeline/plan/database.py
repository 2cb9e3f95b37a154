"""The samples of a run in DuckDB, in a file of its own under a memory limit, for the steps that
choose among them.

Table `samples` holds the fetched images, `rank` 0 the one that stays before all others. A step
drops rows by adding them to table `dropped`; view `left_over` is what no step has dropped so far.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from webpairs_core.errors import NothingLeft, PartCorrupt, StorageError
from webpairs_core.keys import VALIDATION_SALT, validation_bound
from webpairs_core.ledger import Stage, UnitWriter
from webpairs_core.records import Outcome
from webpairs_core.schema import PLAN, SAMPLES, SCORES, open_part
from webpairs_filters.base import FACTS
from webpairs_filters.duplicates.keeper import BEST_FIRST
from webpairs_pipeline.run import Run

NO_IMAGE = (
    "no image was fetched, so there is nothing to shard: the funnel of the fetch stage "
    "(webpairs report OUT) says why"
)
_MEMORY_LIMIT = "1GB"
_BATCH_ROWS = 8_192
_OF_SAMPLES = [name for name in PLAN.names if name not in ("shard", "row", "other_texts")]
PLANNED = ", ".join(f'"{name}"' for name in _OF_SAMPLES)
"""The columns of table `samples` that a plan holds."""
_LOADED = [*_OF_SAMPLES, *(name for name in FACTS if name in SAMPLES.names)]


class Work(NamedTuple):
    """What a step is given."""

    run: Run
    db: duckdb.DuckDBPyConnection
    unit: UnitWriter
    """Where a step may leave a file beside the plan."""
    scratch: Path
    """For files that are gone afterwards."""


@contextmanager
def samples(run: Run, stage: Stage) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database as the module says, gone afterwards.

    Raises NothingLeft without any image, PartCorrupt, StorageError when memory and disk end.
    """
    entries = run.ledger.outputs("fetch", "samples/")
    parts = [run.out / entry.path for entry in entries if entry.path.endswith(".parquet")]
    if not parts:
        raise NothingLeft(NO_IMAGE)
    for part in parts:
        open_part(part, SAMPLES).close()
    scores = [run.out / entry.path for entry in run.ledger.outputs("score", "scores/")]
    for part in scores:
        open_part(part, SCORES).close()
    try:
        with (
            tempfile.TemporaryDirectory(dir=stage.scratch) as folder,
            _connect(Path(folder), run) as db,
        ):
            _load_scores(db, scores)
            _load(db, parts, run)
            yield db
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise _too_little(error) from error
    except duckdb.Error as error:
        raise PartCorrupt(
            f"a part in {run.out / 'samples'} is damaged ({_line(error)}): run the fetch again "
            "with --fresh"
        ) from error


def drop(db: duckdb.DuckDBPyConnection, found: pa.Table) -> None:
    """Drop rows: columns `rank` and `reason`, and where they repeat another one its rank as
    `dup_of`."""
    dup_of = "dup_of" if "dup_of" in found.column_names else "NULL"
    db.register("found", found)
    db.execute(f"INSERT INTO dropped SELECT rank, reason, {dup_of} FROM found")  # noqa: S608
    db.unregister("found")


def batches(rows: duckdb.DuckDBPyRelation) -> Iterator[pa.RecordBatch]:
    """The rows of a query, in its order."""
    try:
        yield from rows.to_arrow_reader(_BATCH_ROWS)
    except (OSError, pa.ArrowInvalid) as error:
        # Behind an Arrow stream, DuckDB's errors take these kinds. The parts were read by _load.
        raise _too_little(error) from error


def _connect(folder: Path, run: Run) -> duckdb.DuckDBPyConnection:
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


def _load_scores(db: duckdb.DuckDBPyConnection, parts: list[Path]) -> None:
    """Table `scores`, empty where the recipe asks for none."""
    db.register("nothing", SCORES.empty_table())
    db.execute("CREATE TABLE scores AS SELECT * FROM nothing")
    db.unregister("nothing")
    if parts:
        db.execute("INSERT INTO scores SELECT * FROM read_parquet(?)", [[str(p) for p in parts]])


def _load(db: duckdb.DuckDBPyConnection, parts: list[Path], run: Run) -> None:
    # The order of webpairs_core.keys.shuffle_rank: the hex of a digest sorts as its bytes do.
    db.execute("CREATE MACRO shuffle_rank(key) AS sha256(getvariable('seed') || key)")
    db.execute("SET VARIABLE seed = ?::BLOB", [run.recipe.seed.to_bytes(8, "big", signed=True)])
    # The sides of webpairs_core.keys.is_validation.
    db.execute("SET VARIABLE salt = ?::BLOB", [VALIDATION_SALT])
    db.execute("SET VARIABLE bound = ?::VARCHAR", [validation_bound(run.recipe.shards.validation)])
    db.execute(
        "CREATE MACRO is_validation(key) AS "
        "sha256(getvariable('salt') || key) < getvariable('bound')"
    )
    limit = f"ORDER BY shuffle_rank(key) LIMIT {run.limit}" if run.limit else ""
    columns = ", ".join(f'"{name}"' for name in dict.fromkeys(_LOADED))
    db.execute(
        f"""
        CREATE TABLE samples AS
        SELECT row_number() OVER best_first - 1 AS rank, {columns},
            coalesce(similarity, 'nan') AS similarity,
            coalesce(eval_similarity, -1) AS eval_similarity,
            coalesce(eval_match, '') AS eval_match
        FROM (SELECT * FROM read_parquet(?) WHERE outcome = ? {limit})
        LEFT JOIN scores USING (key)
        WINDOW best_first AS (ORDER BY {BEST_FIRST}, sha256, page_url, extra, tar, "offset")
        """,  # noqa: S608 - column names and an int of our own
        [[str(part) for part in parts], Outcome.OK.value],
    )
    db.execute("CREATE TABLE dropped (rank BIGINT, reason VARCHAR, dup_of BIGINT)")
    db.execute("CREATE VIEW left_over AS SELECT * FROM samples ANTI JOIN dropped USING (rank)")


def _too_little(error: Exception) -> StorageError:
    return StorageError(
        f"planning the shards needs more memory or disk than there is ({_line(error)}): free some "
        "space or choose another place with --out, and run the same command again"
    )


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
