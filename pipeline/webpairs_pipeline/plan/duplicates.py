"""Step `duplicates`: images that another sample shows already. The better one stays: see `rank`."""

import duckdb
import numpy as np
import pyarrow as pa

from webpairs_filters.near import near_duplicates
from webpairs_pipeline.plan.database import drop
from webpairs_pipeline.run import Run


def run(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Drop near duplicates by their hash."""
    rows = db.execute("SELECT rank, phash FROM left_over ORDER BY rank").fetchnumpy()
    ranks, phashes = rows["rank"], rows["phash"]
    distance = run.recipe.dedup.near_duplicate_distance
    kept_row = near_duplicates(phashes, np.arange(len(phashes)), distance)
    twins = np.flatnonzero(kept_row >= 0)
    drop(
        db,
        pa.table(
            {
                "rank": ranks[twins],
                "reason": ["near_duplicate"] * len(twins),
                "dup_of": ranks[kept_row[twins]],
            }
        ),
    )
