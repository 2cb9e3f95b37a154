"""Images whose bytes arrived twice: equal SHA-256, decided before any look at the pictures."""

import duckdb


def repeated_images(samples: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Which sample repeats which: rows (rank, dup_of), by rank.

    `samples` has the columns `rank` (an integer of its own for each sample, the best one lowest)
    and `sha256` (of the bytes received, hex; empty when unknown, which is equal to nothing). Of
    equal images the one with the lowest rank stays and is the `dup_of` of all others, so the
    result depends on no order of the rows. Raises duckdb.Error when it is read and memory ends.
    """
    found = samples.query(
        "samples",
        """
        WITH first AS (
            SELECT sha256, min(rank) AS dup_of FROM samples
            WHERE sha256 <> '' GROUP BY sha256 HAVING count(*) > 1)
        SELECT rank, dup_of FROM samples JOIN first USING (sha256)
        WHERE rank > dup_of ORDER BY rank
        """,
    )
    assert found is not None  # a SELECT always makes a relation
    return found
