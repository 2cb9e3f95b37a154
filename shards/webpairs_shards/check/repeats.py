"""Keys and images that come twice, over all shards, in bounded memory: DuckDB over rows on disk.

Each shard's check writes a row for each sample; nothing but counts and first names comes back.
"""

from pathlib import Path
from typing import Any

import duckdb

from webpairs_core.errors import StorageError
from webpairs_shards.check.findings import N_PLACES, Seen, Tally

_MEMORY_LIMIT = "512MB"
_IN_SHARD = f"""
select shard, is_split, count(*), min_by(key, number, {N_PLACES}), null
from (
    select shard, key, min(endings) < max(endings) as is_split, min(number) as number
    from read_parquet(?) group by shard, key having count(*) > 1
)
group by shard, is_split order by shard, is_split
"""  # noqa: S608 - our own numbers only
_ACROSS = f"""
select later, null, count(*), min_by(key, number, {N_PLACES}), min(earlier)
from (
    select max(shard) as later, min(shard) as earlier, min(number) as number, key
    from read_parquet(?) group by key having min(shard) < max(shard)
)
group by later order by later
"""  # noqa: S608
_IMAGES = f"""
select min(shard), null, sum(n - 1)::bigint, min_by(key, place, {N_PLACES}), null
from (
    select min(shard) as shard, count(*) as n, min((shard, number)) as place,
        min_by(key, (shard, number)) as key
    from read_parquet(?) where image is not null group by image having count(*) > 1
)
having count(*) > 0
"""  # noqa: S608


def find_repeats(folder: Path, names: list[str], tally: Tally, *, is_ours: bool) -> None:
    """Add to `tally` what comes twice in the rows that lie in `folder`; `names` are the shards'.

    Raises StorageError when memory and disk end.
    """
    paths = [str(path) for path in sorted(folder.glob("*.parquet"))]
    if not paths:
        return
    try:
        with duckdb.connect(
            config={
                "memory_limit": _MEMORY_LIMIT,
                "temp_directory": str(folder / "spill"),
                "preserve_insertion_order": False,
            }
        ) as db:
            for query, kind in ((_IN_SHARD, ""), (_ACROSS, "key_in_shards"), (_IMAGES, "equal")):
                for row in db.execute(query, [paths]).fetchall():
                    _tell(tally, names, kind, row, is_ours)
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        raise StorageError(
            f"looking for keys and images that come twice needs more room ({error}): free some "
            "space in the folder for temporary files (TMPDIR) and run the same command again"
        ) from None


def _tell(tally: Tally, names: list[str], kind: str, row: tuple[Any, ...], is_ours: bool) -> None:
    shard, is_split, n, keys, earlier = row
    detail = ""
    if kind == "equal":
        kind = "equal_images"
    elif kind == "key_in_shards":
        detail = f"the first stands in {names[earlier]}"
        kind = "repeated_key" if is_ours else kind
    elif is_ours:
        kind = "repeated_key"
    else:
        kind = "split_sample" if is_split else "key_twice"
    tally.add_many(Seen(kind, names[shard], detail=detail), list(keys), n)
