"""A stream shows each sample once an epoch, whoever shares it and wherever it starts."""

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samples_fixture import build_shards
from webpairs_shards.read.open import open_shards
from webpairs_shards.read.reader import ShardReader

N = 23


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ShardReader:
    folder: Path = build_shards(tmp_path_factory.mktemp("stream"), N, samples_per_shard=5)
    return open_shards(folder)


def _keys(reader: ShardReader, n: int, *place: int) -> list[str]:
    return [sample.key for sample in islice(reader.stream(*place), n)]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    world=st.integers(1, 9),
    first_epoch=st.integers(0, 50),
    n_epochs=st.integers(1, 3),
)
def test_all_ranks_together_see_each_sample_once_an_epoch(
    reader: ShardReader, seed: int, world: int, first_epoch: int, n_epochs: int
) -> None:
    start, stop = first_epoch * N, (first_epoch + n_epochs) * N
    at: dict[int, str] = {}
    for rank in range(world):
        mine = [p for p in range(start, stop) if p % world == rank]
        found = _keys(reader, len(mine), seed, start, rank, world)
        at |= dict(zip(mine, found, strict=True))
    everything = {reader.read(i).key for i in range(N)}
    for epoch in range(first_epoch, first_epoch + n_epochs):
        seen = [at[p] for p in range(epoch * N, (epoch + 1) * N)]
        assert len(seen) == len(set(seen))
        assert set(seen) == everything


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    start=st.integers(0, 200),
    world=st.integers(1, 9),
    next_world=st.integers(1, 9),
)
def test_going_on_with_other_ranks_gives_the_same_tail(
    reader: ShardReader, seed: int, start: int, world: int, next_world: int
) -> None:
    whole = _keys(reader, start + 40, seed)
    for ranks in (world, next_world):
        for rank in range(ranks):
            mine = [p for p in range(start, start + 40) if p % ranks == rank]
            assert _keys(reader, len(mine), seed, start, rank, ranks) == [whole[p] for p in mine]


def test_epochs_differ(reader: ShardReader) -> None:
    two = _keys(reader, 2 * N, 0)
    assert two[:N] != two[N:]
