"""Plans: how samples are cut into shards, and read back one shard at a time."""

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpairs_core.errors import PartCorrupt
from webpairs_core.schema import PLAN
from webpairs_shards.options import ShardsSection
from webpairs_shards.write.plan import (
    OVERHEAD_BYTES,
    count_shards,
    read_plan,
    shard_bounds,
    write_plan,
)

_BARE = pa.schema([field for field in PLAN if field.name not in ("shard", "row")])


@given(n=st.integers(1, 10_000), per_shard=st.integers(1, 3_000))
def test_as_few_shards_as_allowed_and_of_equal_size(n: int, per_shard: int) -> None:
    section = ShardsSection(samples_per_shard=per_shard)
    bounds = shard_bounds(n, count_shards(section, n, 0))
    sizes = [stop - start for start, stop in pairwise(bounds)]
    assert bounds[0] == 0
    assert sum(sizes) == n
    assert max(sizes) <= per_shard
    assert max(sizes) - min(sizes) <= 1
    assert (len(sizes) - 1) * per_shard < n


@given(n=st.integers(1, 10_000), mean=st.integers(1, 100_000), per_shard=st.integers(1, 50_000_000))
def test_by_bytes_there_are_as_few_shards_as_fit_on_average(
    n: int, mean: int, per_shard: int
) -> None:
    n_shards = count_shards(ShardsSection(bytes_per_shard=per_shard), n, n * mean)
    n_bytes = n * (mean + OVERHEAD_BYTES)
    assert 1 <= n_shards <= n
    assert n_bytes <= n_shards * per_shard or n_shards == n
    assert (n_shards - 1) * per_shard < n_bytes
    sizes = [stop - start for start, stop in pairwise(shard_bounds(n, n_shards))]
    assert max(sizes) - min(sizes) <= 1


def _batch(start: int, stop: int) -> pa.RecordBatch:
    def value(field: pa.Field, i: int) -> object:
        if field.type == pa.binary(16):
            return i.to_bytes(16, "big")
        if pa.types.is_list(field.type):
            return []
        return str(i) if field.type == pa.string() else i

    columns = [pa.array([value(f, i) for i in range(start, stop)], f.type) for f in _BARE]
    return pa.RecordBatch.from_arrays(columns, schema=_BARE)


@pytest.mark.parametrize("cuts", [(0, 23), (0, 1, 2, 20, 23), (0, 10, 23), (0, 0, 22, 23)])
def test_any_batches_make_the_same_shards(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    path = tmp_path / "plan.parquet"
    bounds = shard_bounds(23, 4)
    write_plan(path, (_batch(*cut) for cut in pairwise(cuts)), bounds)
    for shard, (start, stop) in enumerate(pairwise(bounds)):
        table = read_plan(path, shard)
        assert table.schema.equals(PLAN)
        assert table["key"].to_pylist() == [i.to_bytes(16, "big") for i in range(start, stop)]
        assert set(table["shard"].to_pylist()) == {shard}
        assert table["row"].to_pylist() == list(range(stop - start))


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.parquet"
    write_plan(path, [_batch(0, 8)], [0, 4, 8])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PartCorrupt, match=r"plan\.parquet cannot be read"):
        read_plan(path, 0)
