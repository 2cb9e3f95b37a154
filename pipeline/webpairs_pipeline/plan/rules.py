"""Step `rules`: the recipe's filters of samples, in their order."""

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from webpairs_filters.base import FACTS
from webpairs_pipeline.plan.database import batches, drop
from webpairs_pipeline.run import Run


def run(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Drop what a filter objects to; the first objection is the reason."""
    filters = run.recipe.sample_filters
    if not filters:
        return
    columns = ", ".join(f'"{name}"' for name in FACTS)
    found = []
    for batch in batches(db.sql(f"SELECT rank, {columns} FROM left_over")):  # noqa: S608 - ours
        reasons = pc.coalesce(*(each.reject_batch(batch) for each in filters))
        table = pa.table({"rank": batch["rank"], "reason": reasons})
        found.append(table.filter(pc.is_valid(reasons)))
    if found:
        drop(db, pa.concat_tables(found))
