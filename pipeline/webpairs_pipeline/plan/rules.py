"""Step `rules`: the recipe's filters of samples, in their order."""

from collections import Counter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from webpairs_filters.base import FACTS
from webpairs_filters.examples import EXAMPLES, Examples, example
from webpairs_pipeline.plan.database import Work, batches, drop
from webpairs_pipeline.rules_report import PLAN_EXAMPLES


def run(work: Work) -> dict[str, Any]:
    """Drop what a filter objects to; the first objection is the reason.

    Returns the funnel by rule: how many each reason drops first, and how many it would drop alone;
    examples of each lie beside the plan.
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
        _leave_examples(work)
    names = [reason for each in filters for reason in each.reasons]
    return {"rules": {name: {"first": first[name], "alone": alone[name]} for name in names}}


def _leave_examples(work: Work) -> None:
    names = [reason for each in work.run.recipe.sample_filters for reason in each.reasons]
    rows = work.db.execute(
        "SELECT reason, key, url, text FROM dropped JOIN samples USING (rank) "
        "WHERE reason IN (SELECT unnest(?)) "
        "QUALIFY row_number() OVER (PARTITION BY reason ORDER BY key) <= ? ORDER BY reason, key",
        [names, EXAMPLES],
    ).fetchall()
    found: Examples = {}
    for reason, key, url, text in rows:
        found.setdefault(reason, []).append(example(key, url, text))
    work.unit.path(PLAN_EXAMPLES).write_bytes(msgspec.json.encode(found))
