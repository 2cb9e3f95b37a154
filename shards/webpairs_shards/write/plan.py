"""Which sample goes to which shard. A plan is one Parquet file with a row group for each shard, in
order, so that whoever writes shard 7 reads row group 7 and nothing else."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from webpairs_core.errors import PartCorrupt
from webpairs_core.schema import PLAN, open_part
from webpairs_shards.options import ShardsSection

OVERHEAD_BYTES = 3_328
"""Of a sample in a tar beside its image: three headers, the JSON and the caption, and the padding
to blocks of 512 bytes (POSIX.1-2017 pax, ustar): 3 blocks, 2, 1, and half a block for the image.
"""


def count_shards(section: ShardsSection, n_samples: int, image_bytes: int) -> int:
    """How many shards `n_samples` make whose images have `image_bytes` in all.

    As few as `samples_per_shard` allows; with `bytes_per_shard`, as few as let their mean size stay
    below it, one sample to each at least.
    """
    if not section.bytes_per_shard:
        return -(-n_samples // section.samples_per_shard)
    n_bytes = image_bytes + n_samples * OVERHEAD_BYTES
    return min(n_samples, -(-n_bytes // section.bytes_per_shard))


def shard_bounds(n_samples: int, n_shards: int) -> list[int]:
    """Where shards start in the global order, and the end: shard i holds [b[i], b[i + 1]).

    Their sizes differ by at most one: a trainer that gives each worker the same number of shards
    then gives each the same work.
    """
    return [i * n_samples // n_shards for i in range(n_shards + 1)]


def write_plan(path: Path, batches: Iterable[pa.RecordBatch], bounds: list[int]) -> None:
    """Write samples, given in their global order without `shard` and `row`, as a plan."""
    with pq.ParquetWriter(path, PLAN, compression="zstd") as writer:
        for shard, table in enumerate(_cut(batches, bounds)):
            n = table.num_rows
            numbers = {
                "shard": pa.array([shard] * n, pa.int32()),
                "row": pa.array(range(n), pa.int32()),
            }
            columns = {name: table[name] for name in table.column_names} | numbers
            whole = pa.table([columns[name] for name in PLAN.names], names=PLAN.names)
            writer.write_table(whole.cast(PLAN), row_group_size=max(n, 1))


def read_plan(path: Path, shard: int) -> pa.Table:
    """The samples of one shard, in the order in which they are written.

    Raises PartCorrupt, SchemaMismatch as `open_part`.
    """
    with open_part(path, PLAN) as part:
        try:
            return part.read_row_group(shard)
        except (OSError, pa.ArrowInvalid) as error:
            raise PartCorrupt(f"{path} is damaged ({error}); delete it and run again") from error


def _cut(batches: Iterable[pa.RecordBatch], bounds: list[int]) -> Iterator[pa.Table]:
    """Re-cut a stream of batches at `bounds`, holding no more than one shard and one batch."""
    held: list[pa.RecordBatch] = []
    n_held = 0
    sizes = [stop - start for start, stop in pairwise(bounds)]
    for batch in batches:
        held.append(batch)
        n_held += batch.num_rows
        while sizes and n_held >= sizes[0]:
            table = pa.Table.from_batches(held)
            size = sizes.pop(0)
            yield table.slice(0, size)
            held = table.slice(size).to_batches()
            n_held -= size
