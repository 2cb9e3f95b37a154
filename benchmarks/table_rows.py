"""Rows per second from other people's tables to committed pairs, as `webpairs crawl` reads them.

One process. The rows are LAION-400M's in kind: URL, TEXT, and six columns that are carried along.
"""

import argparse
import csv
import json
import random
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from measure import cost_of, report

WORDS = "red kite over the harbour portrait of a young woman vintage oak table summer sale café été"
RECIPE = """
name = "tables"
[[crawl.tables]]
path = "{path}"
url = "URL"
text = "TEXT"
"""


def rows(n: int) -> Iterator[dict[str, Any]]:
    """Rows in which nothing repeats but the hosts. Never held whole: a child's peak memory counts
    what its parent held."""
    rng = random.Random(0)
    words = WORDS.split()
    for i in range(n):
        yield {
            "SAMPLE_ID": float(i),
            "URL": f"https://cdn{rng.randrange(900)}.example.org/m/{rng.randrange(10**9):x}-{i}.jpg",
            "TEXT": " ".join(rng.choices(words, k=rng.randrange(4, 16))),
            "HEIGHT": rng.randrange(100, 3000),
            "WIDTH": rng.randrange(100, 3000),
            "LICENSE": "?",
            "NSFW": rng.choice(("UNLIKELY", "UNSURE")),
            "similarity": rng.random() if i % 9 else None,
        }


def write(path: Path, n: int) -> None:
    """Write `n` rows in the way that the ending of the path says."""
    table = rows(n)
    if path.suffix == ".parquet":
        schema = pa.Table.from_pylist(list(rows(9))).schema
        with pq.ParquetWriter(path, schema) as writer:
            while batch := list(islice(table, 10_000)):
                writer.write_table(pa.Table.from_pylist(batch, schema))
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            lines = csv.DictWriter(file, list(next(rows(1))))
            lines.writeheader()
            lines.writerows(table)
        else:
            file.writelines(json.dumps(row) + "\n" for row in table)


def main() -> None:
    """Measure Parquet, CSV and JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    n = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("parquet", "csv", "jsonl"):
            path, recipe = Path(folder, f"t.{ending}"), Path(folder, "recipe.toml")
            write(path, n)
            recipe.write_text(RECIPE.format(path=path))
            cost = cost_of("crawl", recipe, "--out", Path(folder, ending), "--workers", "1")
            [funnel] = cost.result["stages"]["crawl"]["funnels"]
            assert funnel["kept"] == n
            report(f"table rows, {ending}", "rows", n, cost)


if __name__ == "__main__":
    main()
