"""A mixture shows each sample as often as its weight says, exactly, to any number of ranks."""

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samples_fixture import build_shards
from webpairs_core.errors import ShardCorrupt, ShardError
from webpairs_shards import Mixture, ShardStream, StreamOptions, open_shards
from webpairs_shards.read.permutation import permute
from webpairs_shards.read.reader import ShardReader

SIZES = (23, 10)


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> list[ShardReader]:
    made = []
    for n in SIZES:
        folder: Path = build_shards(tmp_path_factory.mktemp(f"of{n}"), n, samples_per_shard=4)
        made.append(open_shards(str(folder)))
    return made


weights = st.sampled_from([0.1, 0.5, 1, 1.5, 2, 3])


@settings(max_examples=40, deadline=None)
@given(first=weights, second=weights, seed=st.integers(0, 2**40), epochs=st.integers(1, 4))
def test_each_sample_comes_as_often_as_its_weight_says(
    readers: list[ShardReader], first: float, second: float, seed: int, epochs: int
) -> None:
    mixture = Mixture([(readers[0], first), (readers[1], second)])
    sources, samples = mixture.locate(seed, np.arange(epochs * mixture.n_samples))
    for number, weight in enumerate((first, second)):
        share = round(weight * SIZES[number])
        seen = Counter(samples[sources == number].tolist())
        assert seen.total() == epochs * share
        # Its own epochs are whole before the next one starts: counts differ by one at most.
        counts = [seen[sample] for sample in range(SIZES[number])]
        assert max(counts) - min(counts) <= 1


def test_a_mixture_of_one_is_the_plain_stream(readers: list[ShardReader]) -> None:
    stream = ShardStream(Mixture([(readers[0], 1)]), StreamOptions(seed=5))
    plain = [sample.key for sample in islice(readers[0].stream(5), 60)]
    assert [sample.key for sample in islice(stream, 60)] == plain


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    world=st.integers(1, 5),
    next_world=st.integers(1, 5),
    steps=st.integers(0, 30),
)
def test_a_state_goes_on_with_other_ranks(
    readers: list[ShardReader], seed: int, world: int, next_world: int, steps: int
) -> None:
    mixture = Mixture([(readers[0], 1), (readers[1], 2)])

    def streams(n: int) -> list[ShardStream]:
        options = [StreamOptions(seed=seed, rank=rank, world=n) for rank in range(n)]
        return [ShardStream(mixture, each) for each in options]

    before = streams(world)
    for _ in range(steps):
        for each in before:
            next(each)
    states = [each.state_dict() for each in before]
    assert states.count(states[0]) == world
    after = streams(next_world)
    for each in after:
        each.load_state_dict(states[0])
    went_on = [next(each).key for _ in range(20) for each in after]
    (whole,) = streams(1)
    assert went_on == [s.key for s in islice(whole, steps * world, steps * world + len(went_on))]


@pytest.mark.parametrize("world", [1, 2, 7, 40])
def test_one_epoch_ends_after_each_sample_was_seen_once(
    readers: list[ShardReader], world: int
) -> None:
    mixture = Mixture([(readers[0], 1)])
    options = [StreamOptions(rank=rank, world=world, epochs=1) for rank in range(world)]
    seen = Counter(sample.key for each in options for sample in ShardStream(mixture, each))
    assert len(seen) == seen.total() == SIZES[0]


def test_a_state_of_other_data_or_seed_is_refused(readers: list[ShardReader]) -> None:
    state = ShardStream(Mixture([(readers[0], 1)])).state_dict()
    with pytest.raises(ShardError, match="other shards or weights"):
        ShardStream(Mixture([(readers[1], 1)])).load_state_dict(state)
    with pytest.raises(ShardError, match="with seed 0, not 1"):
        ShardStream(Mixture([(readers[0], 1)]), StreamOptions(seed=1)).load_state_dict(state)
    with pytest.raises(ShardError, match="version 9"):
        ShardStream(Mixture([(readers[0], 1)])).load_state_dict(state | {"version": 9})


@pytest.mark.parametrize("weight", [0, -1, 0.001, float("inf"), float("nan")])
def test_a_weight_that_shows_nothing_is_refused(readers: list[ShardReader], weight: float) -> None:
    with pytest.raises(ShardError, match="shows no sample"):
        Mixture([(readers[0], weight)])


def test_broken_samples_are_counted_and_too_many_stop_the_stream(tmp_path: Path) -> None:
    folder = build_shards(tmp_path, 30, samples_per_shard=10)
    whole = {sample.key for sample in ShardStream(_one(folder), StreamOptions(epochs=1))}
    reader = open_shards(folder)
    reader.read(0)  # its descriptor and index are open now
    tar = folder / "shard-000000.tar"
    data = bytearray(tar.read_bytes())
    gone = reader.read(3)
    data[data.index(gone.image) + 9] ^= 1
    tar.write_bytes(data)
    stream = ShardStream(Mixture([(reader, 1)]), StreamOptions(epochs=1))
    assert {sample.key for sample in stream} == whole - {gone.key}
    assert stream.broken == {("shard-000000", "checksum"): 1}
    for name in ("shard-000000", "shard-000001", "shard-000002"):
        with (folder / f"{name}.tar").open("r+b") as file:
            file.truncate(512)  # under a reader that has it open: a map would die of SIGBUS
    options = StreamOptions(max_broken_in_a_row=5)
    with pytest.raises(ShardCorrupt, match=r"6 samples in a row are broken.*cut_short"):
        next(ShardStream(Mixture([(reader, 1)]), options))


def test_one_broken_sample_each_epoch_never_stops_a_stream(tmp_path: Path) -> None:
    folder = build_shards(tmp_path, 12, samples_per_shard=10)
    tar = folder / "shard-000000.tar"
    data = bytearray(tar.read_bytes())
    data[data.index(open_shards(folder).read(3).image) + 9] ^= 1
    tar.write_bytes(data)
    options = StreamOptions(epochs=6, max_broken_in_a_row=2)
    stream = ShardStream(_one(folder), options)
    assert sum(1 for _ in stream) == 6 * 11
    assert stream.broken.total() == 6


def test_datasets_of_equal_size_are_not_shuffled_in_step(readers: list[ShardReader]) -> None:
    mixture = Mixture([(readers[0], 1), (readers[0], 1)])
    n = mixture.n_samples
    sources, samples = mixture.locate(7, np.arange(n))
    slots = permute(np.arange(n, dtype=np.uint64), n, 7, 0).astype(np.int64)
    first, second = (
        dict(zip(slots[sources == i] - i * SIZES[0], samples[sources == i], strict=True))
        for i in (0, 1)
    )
    assert set(first) == set(second) == set(range(SIZES[0]))
    assert first != second


def _one(folder: Path) -> Mixture:
    return Mixture([(open_shards(folder), 1)])
