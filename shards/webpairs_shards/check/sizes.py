"""sizes.json beside the shards, from which open_clip takes how many samples an epoch has; where
there is none, it looks into a file __len__."""

import json
from collections.abc import Iterator
from pathlib import Path

from webpairs_shards.check.findings import Seen
from webpairs_shards.format.layout import SIZES

_LEN = "__len__"
_MAX_BYTES = 256 * 2**20


def check_sizes(folder: Path, counts: dict[str, int]) -> Iterator[Seen]:
    """Hold sizes.json against the samples that were counted in each shard, by file name."""
    path = folder / SIZES
    if not path.exists():
        yield from _check_len(folder / _LEN, sum(counts.values()))
        return
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("is too large")
        sizes = json.loads(path.read_bytes())
        claimed = {str(name): int(n) for name, n in sizes.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        yield Seen("sizes_broken", SIZES, detail=str(error))
        return
    for name, n in counts.items():
        if name not in claimed:
            yield Seen("sizes_incomplete", SIZES, name)
        elif claimed[name] != n:
            yield Seen("sizes_wrong", SIZES, name, f"says {claimed[name]:,}, the tar holds {n:,}")
    for name in claimed:
        if name not in counts:
            yield Seen("sizes_extra", SIZES, name)


def _check_len(path: Path, n: int) -> Iterator[Seen]:
    try:
        claimed = int(path.read_bytes()[:100])
    except FileNotFoundError:
        yield Seen("no_sizes", SIZES)
    except (OSError, ValueError) as error:
        yield Seen("sizes_broken", _LEN, detail=str(error))
    else:
        if claimed != n:
            yield Seen("sizes_wrong", _LEN, detail=f"says {claimed:,}, the tars hold {n:,}")
