"""What img2dataset leaves beside NNNNN.tar: NNNNN.parquet, a row for each URL that it was given,
and NNNNN_stats.json, which it writes last: a shard without one is unfinished."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from webpairs_shards.check.findings import Seen

_STATS = "_stats.json"
_MAX_STATS_BYTES = 64 * 2**20
_SUCCESS = "success"


def is_img2dataset(folder: Path) -> bool:
    """Whether its statistics lie here."""
    return next(folder.glob(f"*{_STATS}"), None) is not None


def check_sidecars(folder: Path, counts: dict[str, int], rows: dict[str, Path]) -> Iterator[Seen]:
    """Hold the files beside the shards against the samples that were counted in each; `rows` are
    those that `SampleRows` wrote for it."""
    for name, n in counts.items():
        stem = name.partition(".")[0]
        table, stats = folder / f"{stem}.parquet", folder / f"{stem}{_STATS}"
        n_rows = None
        if table.exists():
            try:
                n_rows, ok = _rows(table)
                found = pq.read_table(rows[name], columns=["key"]).column("key")
            except (pa.ArrowException, OSError, KeyError) as error:
                yield Seen("table_broken", table.name, detail=str(error))
            else:
                yield from _compare(table.name, found, ok)
        if stats.exists():
            yield from _judge_stats(stats, n, n_rows)
        else:
            yield Seen("stats_missing", name)
    for path in sorted(folder.glob(f"*{_STATS}")):
        if not (folder / f"{path.name.removesuffix(_STATS)}.tar").exists():
            yield Seen("tar_missing", path.name)


def _rows(path: Path) -> tuple[int, pa.ChunkedArray]:
    """Rows in all, and the keys of those of success. Raises ArrowException, OSError, KeyError."""
    with pq.ParquetFile(path) as table:
        rows = table.read(columns=["key", "status"])
    is_ok = pc.equal(rows.column("status").cast(pa.string()), _SUCCESS)
    return len(rows), rows.filter(is_ok).column("key").cast(pa.string())


def _compare(name: str, tar: pa.ChunkedArray, table: pa.ChunkedArray) -> Iterator[Seen]:
    """The keys of a tar and of the successful rows of its Parquet."""
    for some, others, where in ((tar, table, "Parquet"), (table, tar, "tar")):
        is_alone = pc.invert(pc.is_in(some, value_set=others.combine_chunks()))
        for key in some.filter(is_alone).to_pylist():
            yield Seen("table_disagrees", name, str(key), f"is not in the {where}")


def _judge_stats(path: Path, n_samples: int, n_rows: int | None) -> Iterator[Seen]:
    try:
        if path.stat().st_size > _MAX_STATS_BYTES:
            raise ValueError("is too large")
        stats = json.loads(path.read_bytes())
        successes, count = int(stats["successes"]), int(stats["count"])
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        yield Seen("stats_broken", path.name, detail=f"{type(error).__name__}: {error}")
        return
    if successes != n_samples:
        detail = f"{successes:,} successes, the tar holds {n_samples:,} samples"
        yield Seen("stats_disagree", path.name, detail=detail)
    elif n_rows is not None and count != n_rows:
        detail = f"a count of {count:,}, the Parquet has {n_rows:,} rows"
        yield Seen("stats_disagree", path.name, detail=detail)
