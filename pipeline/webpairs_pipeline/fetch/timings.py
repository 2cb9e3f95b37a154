"""Where the time of the requests went, by outcome: percentiles for the report."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import accumulate, compress
from pathlib import Path
from typing import Any

from webpairs_core.schema import SAMPLES, read_table

PHASES = ("fetch", "dns", "connect", "first_byte", "body")
"""`fetch` is the whole attempt, the others are phases of its last request."""
PERCENTILES = (50, 95, 99)


def timings(parts: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """By outcome, most frequent first: `n`, the requests, and for each phase its percentiles in
    milliseconds, each the smallest time that so many percent did not exceed.

    `parts` come newest first: of the rows of one key only the newest counts. A phase counts the
    requests that had it: a connection that was used again has no `connect`. Rows that a robots.txt
    or a dead host kept from being asked for took no time and do not count. Parts are read one after
    the other, and times are counted, not kept: memory does not grow.
    """
    n_asked: Counter[str] = Counter()
    again: set[bytes] = set()
    counts: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for part in parts:
        table = read_table(part, SAMPLES)
        keys = table["key"].to_pylist()
        asked = [
            attempts > 0 and key not in again
            for attempts, key in zip(table["attempts"].to_pylist(), keys, strict=True)
        ]
        if part.name.startswith("retry-"):
            again.update(keys)
        outcomes = table["outcome"].to_pylist()
        n_asked.update(compress(outcomes, asked))
        for phase in PHASES:
            times = table[f"{phase}_ms"].to_pylist()
            had = [
                yes and (ms > 0 or phase == "fetch") for yes, ms in zip(asked, times, strict=True)
            ]
            found = Counter(zip(compress(outcomes, had), compress(times, had), strict=True))
            for (outcome, ms), n in found.items():
                counts[outcome, phase][ms] += n
    return {
        outcome: {"n": n}
        | {
            phase: _percentiles(counts[outcome, phase])
            for phase in PHASES
            if counts[outcome, phase]
        }
        for outcome, n in sorted(n_asked.items(), key=lambda each: (-each[1], each[0]))
    }


def _percentiles(counts: Counter[int]) -> dict[str, int]:
    times = sorted(counts)
    up_to = list(accumulate(counts[ms] for ms in times))
    return {
        f"p{p}": next(ms for ms, n in zip(times, up_to, strict=True) if 100 * n >= p * up_to[-1])
        for p in PERCENTILES
    }
