"""Where the time of the requests went, by outcome: percentiles for the report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PHASES = ("fetch", "dns", "connect", "first_byte", "body")
"""`fetch` is the whole attempt, the others are phases of its last request."""
PERCENTILES = (50, 95, 99)
_ASKED = "attempts > 0"
"""Rows that a robots.txt or a dead host kept from being asked for took no time."""


def timings(parts: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """By outcome: `n`, the requests, and for each phase its percentiles in milliseconds.

    A phase counts the requests that had it: a connection that was used again has no `connect`.
    """
    if not parts:
        return {}
    import duckdb  # at the end of a fetch only: it need not be there from the start

    shares = [p / 100 for p in PERCENTILES]
    columns = ", ".join(
        f"quantile_disc({phase}_ms, {shares}) FILTER ({_had(phase)}) AS {phase}" for phase in PHASES
    )
    with duckdb.connect(config={"memory_limit": "512MB"}) as db:
        db.execute("SET enable_progress_bar = false")
        rows = db.execute(
            f"SELECT outcome, count(*) AS n, {columns} FROM read_parquet(?) "  # noqa: S608 - ours
            f"WHERE {_ASKED} GROUP BY outcome ORDER BY n DESC, outcome",
            [[str(part) for part in parts]],
        ).fetchall()
    return {
        outcome: {"n": n}
        | {
            phase: dict(zip((f"p{p}" for p in PERCENTILES), found, strict=True))
            for phase, found in zip(PHASES, quantiles, strict=True)
            if found is not None
        }
        for outcome, n, *quantiles in rows
    }


def _had(phase: str) -> str:
    return "TRUE" if phase == "fetch" else f"{phase}_ms > 0"
