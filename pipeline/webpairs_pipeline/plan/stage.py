"""Stage `plan`: which samples become shards, and in which order.

What must be decided over all samples at once lives here: rules, duplicates, the global shuffle. A
plan depends on what the samples are, never on the parts they lie in or when they were fetched.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from webpairs_core.errors import NothingLeft
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage
from webpairs_core.schema import REJECTS, write_part
from webpairs_pipeline.plan import balance, blocklist, decontaminate, duplicates, rules
from webpairs_pipeline.plan.database import NO_IMAGE, PLANNED, Work, batches, samples
from webpairs_pipeline.run import Made, Run
from webpairs_shards.write.plan import count_shards, shard_bounds, write_plan

PLAN_PATH = "plan/plan.parquet"
VALIDATION_PATH = "plan/validation.parquet"
"""Only where `shards.validation` leaves something on that side."""
_REJECTS_PATH = "rejects/plan/part-00000.parquet"
_UNIT = "plan"
STEPS: tuple[Callable[[Work], dict[str, Any]], ...] = (
    blocklist.run,
    rules.run,
    duplicates.run,
    decontaminate.run,
    balance.run,
)
"""In their order: what one drops, the next ones never see. Each returns facts for the report."""


def run(run: Run, stage: Stage) -> Made:
    """Write plan/plan.parquet, what validation takes, and the rejects. Raises NothingLeft when
    nothing is left to shard."""
    if not stage.is_done(_UNIT):
        with (
            stage.unit(_UNIT) as unit,
            samples(run, stage) as db,
            tempfile.TemporaryDirectory(dir=stage.scratch) as scratch,
        ):
            funnel, facts = _plan(Work(run, db, unit, Path(scratch)))
            unit.commit(funnel, info=facts)
    commit = stage.commit_of(_UNIT)
    assert commit is not None
    (funnel,) = commit.funnels
    info = {"n_samples": funnel.kept, **commit.info}
    return Made(path=run.out / "plan", funnels=(funnel,), info=info)


def _plan(work: Work) -> tuple[Funnel, dict[str, Any]]:
    db, unit = work.db, work.unit
    ((rows_in,),) = db.execute("SELECT count(*) FROM samples").fetchall()
    if rows_in == 0:
        raise NothingLeft(NO_IMAGE)
    facts: dict[str, Any] = {}
    for step in STEPS:
        facts |= step(work)
    reasons = dict(db.execute("SELECT reason, count(*) FROM dropped GROUP BY ALL").fetchall())
    kept = rows_in - sum(reasons.values())
    if not kept:
        raise NothingLeft(
            f"nothing is left of {rows_in:,} samples ({_words(reasons)}): loosen the [[filters]] "
            "of samples, [decontaminate] and [balance] in the recipe"
        )
    unit.rows(_REJECTS_PATH, write_part(unit.path(_REJECTS_PATH), _rejects(db), REJECTS))
    facts |= _write_plans(work)
    return Funnel("plan", "samples", rows_in, kept, reasons), facts


def _write_plans(work: Work) -> dict[str, int]:
    """A plan for each side of the split that has samples. Returns what they count."""
    run, db, unit, _ = work
    sizes = db.execute(
        "SELECT is_validation(key), count(*), sum(length)::BIGINT FROM left_over GROUP BY ALL"
    ).fetchall()
    sides = {is_validation: (n, n_bytes) for is_validation, n, n_bytes in sizes}
    if False not in sides:
        raise NothingLeft(
            f"shards.validation = {run.recipe.shards.validation} takes all samples that are left: "
            "make it smaller"
        )
    facts: dict[str, int] = {}
    for is_validation, (n, n_bytes) in sorted(sides.items()):
        path = VALIDATION_PATH if is_validation else PLAN_PATH
        n_shards = count_shards(run.recipe.shards, n, n_bytes)
        bounds = shard_bounds(n, n_shards)
        write_plan(unit.path(path), _kept(run, db, is_validation=is_validation), bounds)
        unit.rows(path, n)
        facts |= {"n_validation": n} if is_validation else {"n_shards": n_shards}
    return facts


def _rejects(db: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    rows = db.sql(
        """
        SELECT gone.key, 'plan' AS stage, dropped.reason, first.key AS dup_of
        FROM dropped
        JOIN samples AS gone ON gone.rank = dropped.rank
        LEFT JOIN samples AS first ON first.rank = dropped.dup_of
        ORDER BY gone.key
        """
    )
    yield from batches(rows)


def _kept(
    run: Run, db: duckdb.DuckDBPyConnection, *, is_validation: bool
) -> Iterator[pa.RecordBatch]:
    """One side, in the order of its shards. With `dedup.keep_texts` the texts of what repeats a
    sample are its `other_texts`, those of the better images first."""
    others = "list(text ORDER BY best)" if run.recipe.dedup.keep_texts else "[]::VARCHAR[]"
    rows = db.sql(
        f"""
        WITH told AS (
            SELECT dup_of AS rank, text, min(gone.rank) AS best
            FROM dropped JOIN samples AS gone USING (rank)
            WHERE dup_of IS NOT NULL AND text <> (SELECT text FROM samples WHERE rank = dup_of)
            GROUP BY dup_of, text
        ), others AS (SELECT rank, {others} AS other_texts FROM told GROUP BY rank)
        SELECT {PLANNED}, coalesce(other_texts, []) AS other_texts
        FROM left_over LEFT JOIN others USING (rank)
        WHERE is_validation(key) = {is_validation} ORDER BY shuffle_rank(key)
        """  # noqa: S608 - names of our own
    )
    yield from batches(rows)


def _words(reasons: dict[str, int]) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in sorted(reasons.items()))
