"""Step `duplicates`: images that another sample shows already. The better one stays: see `rank`.

Measured in BENCHMARKS.md; why it is done this way: docs/adr/0013-near-duplicates.md."""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from webpairs_filters.duplicates.exact_images import repeated_images
from webpairs_filters.duplicates.near import near_duplicates
from webpairs_pipeline.plan.database import Work, drop

_FLAT = 2.0
"""Pictures of less contrast have nothing to hash: their pHashes meet though they differ (27 of one
colour gave two hashes). They are compared by their bytes only; `image_blank` drops them."""


def run(work: Work) -> dict[str, Any]:
    """Drop repeated keys, then equal files, then near duplicates by their hash."""
    section = work.run.recipe.dedup
    _drop_repeated(work.db)
    if section.same_bytes:
        _drop_equal(work.db)
    if section.near_duplicate_distance >= 0:
        _drop_near(work.db, section.near_duplicate_distance)
    return {}


def _drop_repeated(db: duckdb.DuckDBPyConnection) -> None:
    """A key names one sample of a dataset. A crawl has no key twice; what `webpairs pack` is given
    may."""
    db.execute(
        """
        INSERT INTO dropped
        SELECT rank, 'duplicate_key', dup_of
        FROM left_over JOIN (
            SELECT key, min(rank) AS dup_of FROM left_over GROUP BY key HAVING count(*) > 1
        ) USING (key)
        WHERE rank > dup_of
        """
    )


def _drop_equal(db: duckdb.DuckDBPyConnection) -> None:
    found = repeated_images(db.sql("SELECT rank, sha256 FROM left_over")).to_arrow_table()
    drop(db, found.append_column("reason", pa.repeat("duplicate_image", found.num_rows)))


def _drop_near(db: duckdb.DuckDBPyConnection, distance: int) -> None:
    rows = db.execute(
        "SELECT rank, phash FROM left_over WHERE contrast >= ? ORDER BY rank", [_FLAT]
    ).fetchnumpy()
    ranks, phashes = np.asarray(rows["rank"]), np.asarray(rows["phash"])
    kept_row = near_duplicates(phashes, np.arange(len(phashes)), distance)
    twins = np.flatnonzero(kept_row >= 0)
    columns = {"rank": ranks[twins], "dup_of": ranks[kept_row[twins]]}
    reason = pa.repeat("near_duplicate", len(twins))
    drop(db, pa.table(columns).append_column("reason", reason))
    # What repeated a file that is now a near duplicate itself repeats what that one repeats.
    db.execute(
        "UPDATE dropped SET dup_of = later.dup_of FROM dropped AS later "
        "WHERE dropped.dup_of = later.rank AND later.dup_of IS NOT NULL"
    )
