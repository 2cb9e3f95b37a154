"""Exact duplicates of wide rows: ours against plain DuckDB and Polars queries for the same rows.

Each contender is a process of its own and reads the same parts: rows of schema candidates/2, URLs
of 81 bytes, texts of 56, 200,000 hosts of very different sizes; 88 % of the rows have a (URL, text)
of their own, 69 % of the URLs are different ones. Kept is the first row of each (URL, text), or of
each URL with --by url, by its place (page, place on the page, source, src_url). `in fetch order`
writes the rows sorted by a hash of the host, host, a hash of the URL and key, as the fetch stage
needs them; `as a set` is less work than ours. All write one zstd Parquet file; ours writes the
rejects, too.

Every page of this corpus has an address of its own. The semijoins make use of that (the first place
is the smallest page_url) and need no other column; ours does not know it. Polars orders the hosts
by its own hash and may take all memory; `unique` keeps the first row of the parts, not of the
places. Each digest in the printed lines is of (key, page_url) as a set, and of keys with their row
numbers.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from measure import Cost, report
from webpairs_core.schema import CANDIDATES, REJECTS, write_part
from webpairs_filters.duplicates.database import Room, open_database
from webpairs_filters.duplicates.exact import decide, kept, open_pairs, rejects
from webpairs_filters.options import DedupSection

PART_ROWS = 1_000_000
DISTINCT = 1.25
"""URLs to draw from, for each row."""
KEPT, REJECTED = "kept.parquet", "rejects.parquet"
ORDER = "ORDER BY md5_number_lower(host), host, md5_number_lower(url), key"
PLACE = "page_url, position, text_source, src_url"
CORPUS = """
    WITH drawn AS (
        SELECT i, (hash(i) % {urls})::BIGINT AS u, hash(i, 7) % 3 AS v FROM range({lo}, {hi}) t(i)),
    named AS (
        SELECT *, 'host' || floor(200000 * pow((hash(u, 1) % 1000003) / 1000003.0, 3))::BIGINT
            || '.example' AS host
        FROM drawn),
    pairs AS (
        SELECT *, 'https://img' || u % 7 || '.' || host || '/media/' || md5(u::VARCHAR)[:24] || '/'
                || lpad(u::VARCHAR, 10, '0') || '-large.jpg' AS url,
            'A photo of the ' || ['old', 'small', 'red', 'quiet'][1 + (hash(u, 2) % 4)::INT] || ' '
                || ['house', 'river', 'boat', 'bridge'][1 + (hash(u, 3) % 4)::INT] || ' near '
                || md5((u * 3 + v)::VARCHAR)[:9] || ' number ' || u % 99991 || '-' || v AS text
        FROM named)
    SELECT unhex(sha256(url || chr(10) || text)[:32]) AS key, url, url AS src_url, text,
        'alt' AS text_source, 'https://www.' || host || '/page/' || hash(i, 5) % 100000 || '/'
            || md5(i::VARCHAR)[:8] || i AS page_url,
        (i % 40)::INT AS position, 'en' AS page_lang, 0::INT AS declared_width,
        0::INT AS declared_height, 'crawl.warc.gz:' || i * 911 AS found_in,
        TIMESTAMPTZ '2026-01-01' + to_seconds(i % 86400) AS fetched_at, []::VARCHAR[] AS optout,
        '' AS license_url, 'Page about ' || host AS context, '' AS extra, 'en' AS lang,
        0.9::FLOAT AS lang_score, 'fast' AS lang_detector, host
    FROM pairs
"""


class Task:
    """What a contender is asked for, and where."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.folder = Path(args.folder)
        self.parts = sorted((self.folder / "parts").glob("*.parquet"))
        self.files = str([str(part) for part in self.parts])
        self.by: str = args.by
        self.group = {"url": "url", "url_text": "key"}[self.by]
        self.room = Room(self.folder / "spill", args.threads, args.memory)

    def copy(self, db: duckdb.DuckDBPyConnection, query: str) -> None:
        """Write the rows of a query as DuckDB does."""
        db.execute(f"COPY ({query}) TO '{self.folder / KEPT}' (FORMAT parquet, COMPRESSION zstd)")


def ours(task: Task) -> None:
    rules = DedupSection(by="url" if task.by == "url" else "url_text")
    with open_pairs(task.parts, task.room) as db:
        decide(db, rules)
        write_part(task.folder / REJECTED, rejects(db), REJECTS)
        write_part(task.folder / KEPT, kept(db, rules), CANDIDATES)


def duckdb_window(task: Task) -> None:
    with open_database(task.room) as db:
        task.copy(
            db,
            f"SELECT * FROM read_parquet({task.files}) QUALIFY row_number() OVER "
            f"(PARTITION BY {task.group} ORDER BY {PLACE}) = 1 {ORDER}",
        )


def duckdb_semijoin(task: Task, order: str = ORDER) -> None:
    with open_database(task.room) as db:
        group = task.group
        db.execute(
            f"CREATE TABLE first AS SELECT {group}, min(page_url) AS page_url "
            f"FROM read_parquet({task.files}) GROUP BY {group}"
        )
        rows = f"SELECT * FROM read_parquet({task.files}) SEMI JOIN first USING ({group}, page_url)"
        task.copy(db, f"{rows} {order}")


def duckdb_semijoin_set(task: Task) -> None:
    duckdb_semijoin(task, "")


def polars_semijoin(task: Task) -> None:
    import polars as pl

    rows = pl.scan_parquet(task.parts)
    first = rows.group_by(task.group).agg(pl.col("page_url").min())
    ordered = (
        rows.join(first, on=[task.group, "page_url"], how="semi")
        .with_columns(pl.col("host").hash().alias("rank"), pl.col("url").hash().alias("place"))
        .sort("rank", "host", "place", "key")
        .drop("rank", "place")
    )
    ordered.sink_parquet(task.folder / KEPT, compression="zstd", engine="streaming")


def polars_unique_set(task: Task) -> None:
    import polars as pl

    rows = pl.scan_parquet(task.parts).unique(task.group, keep="first", maintain_order=True)
    rows.sink_parquet(task.folder / KEPT, compression="zstd", engine="streaming")


CONTENDERS: dict[str, Callable[[Task], None]] = {
    "webpairs, in fetch order": ours,
    "DuckDB semijoin, in fetch order": duckdb_semijoin,
    "DuckDB window, in fetch order": duckdb_window,
    "Polars semijoin, in fetch order": polars_semijoin,
    "DuckDB semijoin, as a set": duckdb_semijoin_set,
    "Polars unique, as a set": polars_unique_set,
}


def make_parts(folder: Path, n_rows: int) -> None:
    """Write the corpus in parts of a million rows; each row is a function of its number."""
    folder.mkdir()
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as db:
        for at in range(0, n_rows, PART_ROWS):
            query = CORPUS.format(
                urls=int(n_rows * DISTINCT), lo=at, hi=min(n_rows, at + PART_ROWS)
            )
            db.execute(
                f"COPY ({query}) TO '{folder / f'{at:012}.parquet'}' (FORMAT parquet, "
                "COMPRESSION zstd, KV_METADATA {'webpairs.schema': 'candidates/2'})"
            )


def compete(name: str, args: argparse.Namespace) -> None:
    """Run one contender as a process, print its cost and a digest of the rows that it kept."""
    started = time.perf_counter()
    words = ["--contender", name, "--folder", args.folder, "--by", args.by]
    words += ["--threads", str(args.threads), "--memory", args.memory]
    process = subprocess.Popen([sys.executable, __file__, *words])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - started
    if process.returncode:
        print(f"{name}: ended with {process.returncode} after {wall_s:.0f} s", file=sys.stderr)
        return
    cpu_s = usage.ru_utime + usage.ru_stime
    report(
        f"exact duplicates by {args.by}: {name}",
        "pairs",
        args.rows,
        Cost(wall_s, cpu_s, usage.ru_maxrss / 1024, {}),
    )
    path = Path(args.folder) / KEPT
    with duckdb.connect() as db:
        (facts,) = db.execute(
            "SELECT count(*), sum(hash(key) % 1000003 * (hash(page_url) % 1000003)), "
            f"sum(hash(key) % 1000003 * file_row_number) FROM read_parquet('{path}')"
        ).fetchall()
    print(
        f"  {wall_s:.1f} s, CPU {cpu_s:.1f} s ({usage.ru_stime:.1f} in the kernel); kept "
        f"{facts[0]:,}, set {facts[1]:x}, order {facts[2]:x}",
        file=sys.stderr,
    )
    path.unlink()


def main() -> None:
    """Make the corpus, let the contenders run one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--by", choices=("url_text", "url"), default="url_text")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="2GB", help="the limit of DuckDB, ours and theirs")
    parser.add_argument("--only", default="", help="contenders whose name starts with this")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contender:
        CONTENDERS[args.contender](Task(args))
        return
    with tempfile.TemporaryDirectory() as folder:
        args.folder = folder
        make_parts(Path(folder) / "parts", args.rows)
        for name in CONTENDERS:
            if name.startswith(args.only):
                compete(name, args)


if __name__ == "__main__":
    main()
