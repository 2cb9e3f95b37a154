"""Filtered pairs → candidates in fetch order, without exact duplicates and what the corpus shows
too often.

One unit: what repeats what is known only when all rows have been seen.
"""

from collections.abc import Iterable, Iterator

import duckdb
import pyarrow as pa

from webpairs_core.errors import NothingLeft
from webpairs_core.funnel import Funnel, merge
from webpairs_core.ledger import Stage, UnitWriter
from webpairs_core.progress import Progress
from webpairs_core.schema import CANDIDATES, REJECTS, write_part
from webpairs_filters.duplicates.database import Room
from webpairs_filters.duplicates.exact import decide, kept, open_pairs, rejects
from webpairs_pipeline.run import Made, Run

UNIT = "all"
_REJECTS = "rejects/dedup/part-00000.parquet"


def run(run: Run, stage: Stage) -> Made:
    """Drop what repeats, sort, cut into parts of `fetch.rows_per_part` rows.

    Raises NothingLeft when the recipe's corpus counts drop every pair.
    """
    if not stage.is_done(UNIT):
        entries = run.ledger.outputs("filter", "run/filtered/")
        parts = [run.out / entry.path for entry in entries]
        room = Room(stage.scratch / "spill", run.workers)
        n_rows = sum(entry.rows for entry in entries)
        with stage.unit(UNIT) as unit, open_pairs(parts, room) as db:
            unit.commit(_dedup(run, unit, db, n_rows))
    funnel = merge(funnel for commit in stage.commits() for funnel in commit.funnels)
    return Made(path=run.out / "candidates", funnels=(funnel,))


def _dedup(run: Run, unit: UnitWriter, db: duckdb.DuckDBPyConnection, n_rows: int) -> Funnel:
    rules = run.recipe.dedup
    with Progress("dedup", "pairs", n_rows) as progress:
        reasons = decide(db, rules)
        n_rejects = write_part(unit.path(_REJECTS), rejects(db), REJECTS)
        unit.rows(_REJECTS, n_rejects)
        progress.add(n_rejects)
        n_kept = 0
        for i, part in enumerate(_regroup(kept(db, rules), run.recipe.fetch.rows_per_part)):
            name = f"candidates/part-{i:05d}.parquet"
            unit.rows(name, write_part(unit.path(name), [part], CANDIDATES))
            n_kept += part.num_rows
            progress.add(part.num_rows)
    if not n_kept:
        raise NothingLeft(
            f"the [dedup] section kept none of {n_rows:,} pairs: raise max_images_per_text and "
            "max_texts_per_image"
        )
    return Funnel("dedup", "pairs", n_rows, n_kept, reasons)


def _regroup(batches: Iterable[pa.RecordBatch], n_rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of `n_rows`, the last one shorter."""
    held: list[pa.RecordBatch] = []
    n_held = 0
    for batch in batches:
        held.append(batch)
        n_held += len(batch)
        while n_held >= n_rows:
            table = pa.Table.from_batches(held)
            yield table[:n_rows]
            held, n_held = table[n_rows:].to_batches(), n_held - n_rows
    if n_held:
        yield pa.Table.from_batches(held)
