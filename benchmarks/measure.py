"""What a command costs as a whole process: wall and CPU seconds, peak memory; children included."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple


class Cost(NamedTuple):
    """The cost of one finished command."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    """Of the largest single process."""
    result: dict[str, Any]
    """What it printed with --json."""


def cost_of(*words: str | Path) -> Cost:
    """Run `webpairs WORDS --json` to its end; a failure ends the benchmark with its message."""
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "webpairs_pipeline.cli", *map(str, words), "--json", "-q"],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"webpairs {words[0]} ended with exit code {process.returncode}")
    return Cost(
        time.perf_counter() - started,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        json.loads(printed),
    )


def report(name: str, unit: str, n: float, cost: Cost) -> None:
    """Print the one JSON line that `benchmarks/table.py` reads."""
    print(
        json.dumps(
            {
                "name": name,
                "unit": unit,
                "n": n,
                "per_s": round(n / cost.wall_s, 1),
                "per_cpu_s": round(n / cost.cpu_s, 1),
                "cpu_ms": round(1000 * cost.cpu_s / n, 2),
                "peak_mb": round(cost.peak_mb),
            }
        )
    )


N_WARM = 100
"""Samples of a stream that are read before the clock starts."""


def report_stream(name: str, n: int, samples: Iterable[object]) -> None:
    """Read `n` samples in this process and print the line of `report`."""
    stream = iter(samples)
    for _ in islice(stream, N_WARM):
        pass
    wall, cpu = time.perf_counter(), time.process_time()
    n_read = sum(1 for _ in islice(stream, n - N_WARM))
    cost = Cost(
        time.perf_counter() - wall,
        time.process_time() - cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        {},
    )
    report(name, "samples", n_read, cost)
