"""Run every benchmark and print the table that BENCHMARKS.md keeps."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = (
    "crawl_pages.py",
    "filter_rows.py",
    "fetch_images.py",
    "shard_write.py",
    "shard_read.py",
    "foreign_read.py",
    "shard_decode.py",
    "train_step.py",
)


def processor() -> str:
    """The processor's name, as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"


def main() -> None:
    """Run the scripts one after the other: they share the machine with nothing of ours."""
    print(f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}\n")
    print("| script | what | n | per second | per CPU second | peak MB |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for script in SCRIPTS:
        done = subprocess.run(
            [sys.executable, HERE / script], stdout=subprocess.PIPE, text=True, check=True
        )
        for line in done.stdout.splitlines():
            row = json.loads(line)
            print(
                f"| {script} | {row['name']}, {row['unit']} | {row['n']:,} | {row['per_s']:,} "
                f"| {row['per_cpu_s']:,} | {row['peak_mb']:,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
