"""Filtered pairs → candidates in fetch order, each (URL, text) once.

One unit: what repeats what is known only when all rows have been seen. Which row of a repeated pair
stays is decided by where it was found (page, place on the page), never by when.
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from webpairs_core.funnel import Funnel, merge
from webpairs_core.ledger import Stage, UnitWriter
from webpairs_core.progress import Progress
from webpairs_core.schema import CANDIDATES, REJECTS, PartWriter, write_part
from webpairs_filters.exact import Repeats, count_repeats, fetch_order, give_own_keys
from webpairs_pipeline.run import Made, Run

UNIT = "all"
_REJECTS = "rejects/dedup/part-00000.parquet"


def run(run: Run, stage: Stage) -> Made:
    """Sort, drop repeats, cut into parts of `fetch.rows_per_part` rows."""
    if not stage.is_done(UNIT):
        entries = run.ledger.outputs("filter", "run/filtered/")
        parts = [run.out / entry.path for entry in entries]
        with stage.unit(UNIT) as unit:
            rows = fetch_order(parts, stage.scratch / "spill", run.workers)
            unit.commit(_dedup(run, unit, rows))
    funnel = merge(funnel for commit in stage.commits() for funnel in commit.funnels)
    return Made(path=run.out / "candidates", funnels=(funnel,))


def _dedup(run: Run, unit: UnitWriter, rows: Iterable[pa.RecordBatch]) -> Funnel:
    n_kept = 0
    with (
        PartWriter(unit.path(_REJECTS), REJECTS) as rejects,
        Progress("dedup", "pairs") as progress,
    ):
        kept = _kept(count_repeats(rows), rejects, is_unique=run.recipe.dedup.url_text)
        for i, part in enumerate(_regroup(kept, run.recipe.fetch.rows_per_part)):
            name = f"candidates/part-{i:05d}.parquet"
            unit.rows(name, write_part(unit.path(name), [part], CANDIDATES))
            n_kept += part.num_rows
            progress.add(part.num_rows)
    unit.rows(_REJECTS, rejects.rows)
    reasons = {"duplicate_pair": rejects.rows} if rejects.rows else {}
    return Funnel("dedup", "pairs", n_kept + rejects.rows, n_kept, reasons)


def _kept(
    repeats: Iterable[Repeats], rejects: PartWriter, *, is_unique: bool
) -> Iterator[pa.RecordBatch]:
    """The rows to keep; what goes is written to `rejects` on the way."""
    for each in repeats:
        if not is_unique:
            yield give_own_keys(each)
            continue
        is_first = pa.array(each.ordinals == 0)
        keys = each.batch["key"].filter(pc.invert(is_first))
        rejects.write(
            pa.table(
                {
                    "key": keys,
                    "stage": pa.repeat("dedup", len(keys)),
                    "reason": pa.repeat("duplicate_pair", len(keys)),
                    "dup_of": keys,
                }
            )
        )
        yield each.batch.filter(is_first)


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
