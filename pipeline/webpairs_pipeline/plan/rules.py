"""Step `rules`: the recipe's filters of samples, in their order."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from webpairs_filters.base import FACTS
from webpairs_pipeline.plan.database import Work, batches, drop


def run(work: Work) -> dict[str, Any]:
    """Drop what a filter objects to; the first objection is the reason.

    Returns the funnel by rule: how many each reason drops first, and how many it would drop alone.
    """
    filters = work.run.recipe.sample_filters
    if not filters:
        return {}
    columns = ", ".join(f'"{name}"' for name in FACTS)
    first: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    found = []
    for batch in batches(work.db.sql(f"SELECT rank, {columns} FROM left_over")):  # noqa: S608
        judged = [each.reject_batch(batch) for each in filters]
        for each in judged:
            alone.update(each.drop_null().to_pylist())
        reasons = pc.coalesce(*judged)
        first.update(reasons.drop_null().to_pylist())
        table = pa.table({"rank": batch["rank"], "reason": reasons})
        found.append(table.filter(pc.is_valid(reasons)))
    if found:
        drop(work.db, pa.concat_tables(found))
    names = [reason for each in filters for reason in each.reasons]
    return {"rules": {name: {"first": first[name], "alone": alone[name]} for name in names}}
