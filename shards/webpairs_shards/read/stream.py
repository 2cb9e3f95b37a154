"""Samples of one dataset or of several, in an exact order that one integer describes.

Position p counts samples over all epochs and ranks. A mixture of several datasets gives each its
share of an epoch: weight 2 shows each of its samples twice an epoch, weight 0.5 each every other
epoch. Which sample stands at a position is computed, never drawn: so a stream starts anywhere at
once, and every rank, worker and machine agrees on it. Broken samples are passed over and counted.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any, Self

import msgspec
import numpy as np
import numpy.typing as npt

from webpairs_core.errors import ShardCorrupt, ShardError
from webpairs_core.keys import digest
from webpairs_shards.read.permutation import permute
from webpairs_shards.read.reader import ShardReader
from webpairs_shards.read.sample import BrokenSample, RawSample

Numbers = npt.NDArray[np.int64]

_STATE_VERSION = 1
_BLOCK = 256
"""Positions that are looked up at once."""


class Mixture:
    """Datasets with weights; one dataset with weight 1 is a mixture as well.

    Raises ShardError for a weight that gives a dataset no sample an epoch.
    """

    def __init__(self, sources: Sequence[tuple[ShardReader, float]]) -> None:
        if not sources:
            raise ShardError("a mixture needs one dataset at least")
        self.readers = [reader for reader, _ in sources]
        shares = [self._share(reader, weight) for reader, weight in sources]
        self._ends = np.cumsum(np.array(shares, np.int64))
        self._shares = np.array(shares, np.int64)
        self.n_samples = int(self._ends[-1])
        """Samples of one epoch."""
        self.n_blocks_ahead = max(reader.n_blocks_ahead for reader in self.readers)
        """See `ShardReader`."""
        self.digest = digest(
            [
                {
                    "weight": weight,
                    "shards": [[e.name, e.samples, e.sha256] for e in reader.manifest.shards],
                }
                for reader, weight in sources
            ]
        )
        """64 hex; another one means other samples, another order of shards or other weights."""

    def locate(self, seed: int, positions: Numbers) -> tuple[Numbers, Numbers]:
        """The number of the dataset, and of the sample in it, at each position of `seed`."""
        if len(self.readers) == 1 and self._shares[0] == self.readers[0].n_samples:
            return np.zeros_like(positions), self.readers[0].order(seed, positions)
        epochs, places = np.divmod(positions, self.n_samples)
        slots = np.empty_like(positions)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            slots[mine] = permute(places[mine].astype(np.uint64), self.n_samples, seed, int(epoch))
        sources = np.searchsorted(self._ends, slots, "right")
        first = self._ends[sources] - self._shares[sources]
        inside = epochs * self._shares[sources] + slots - first
        samples = np.empty_like(positions)
        for source in np.unique(sources):
            mine = sources == source
            # Each dataset has an order of its own, or equal sizes would be shuffled in step.
            own_seed = (seed << 20) + int(source) + 1
            samples[mine] = self.readers[source].order(own_seed, inside[mine])
        return sources, samples

    def read(self, seed: int, positions: Numbers) -> Iterator[RawSample | BrokenSample]:
        """The samples at these positions, in their order; a broken one is told, not raised. What
        lies elsewhere is asked for at once, before the first sample is taken."""
        sources, samples = self.locate(seed, positions)
        parts = {
            int(source): self.readers[source].read_many(samples[sources == source])
            for source in np.unique(sources)
        }
        return (next(parts[source]) for source in sources.tolist())

    @staticmethod
    def _share(reader: ShardReader, weight: float) -> int:
        share = round(weight * reader.n_samples) if 0 < weight < 1e9 else 0
        if share < 1:
            raise ShardError(
                f"weight {weight} shows no sample of {reader.folder} in an epoch: give more than "
                f"{1 / reader.n_samples:g}"
            )
        return share


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads what."""

    seed: int = 0
    rank: int = 0
    world: int = 1
    """Ranks that share the stream: rank r takes every `world`-th sample."""
    epochs: int | None = None
    """None: without end."""
    max_broken_in_a_row: int = 100
    """More broken samples than that, one after another, are no accident: the stream stops."""

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world or self.seed < 0 or (self.epochs or 1) < 1:
            raise ValueError(f"no such stream: {self}")


class ShardStream(Iterator[RawSample]):
    """The samples of one rank, in order; its whole state is one integer.

    A state taken when each rank has had the same number of samples goes on with any number of
    ranks: together they see exactly the samples that were left. Raises ShardCorrupt after too many
    broken samples in a row.
    """

    def __init__(self, mixture: Mixture, options: StreamOptions | None = None) -> None:
        self.mixture = mixture
        self.options = options or StreamOptions()
        self.position = 0
        """Where all ranks together stand."""
        self.broken: Counter[tuple[str, str]] = Counter()
        """Passed over so far by this stream, by (shard, reason)."""
        self._samples = self._from(0)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RawSample:
        return next(self._samples)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs; JSON-like, of constant size."""
        return stream_state(self.mixture, self.options.seed, self.position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken. Raises ShardError when it is of other data or seed."""
        self.position = position_of(state, self.mixture, self.options.seed)
        self._samples = self._from(self.position)

    def _from(self, start: int) -> Iterator[RawSample]:
        options, n_broken = self.options, 0
        for positions, samples in self._asked(start):
            for position, sample in zip(positions.tolist(), samples, strict=True):
                self.position = position - options.rank + options.world
                if isinstance(sample, RawSample):
                    n_broken = 0
                    yield sample
                    continue
                self.broken[sample.shard, sample.reason] += 1
                n_broken += 1
                check_broken(n_broken, options.max_broken_in_a_row, sample)

    def _asked(self, start: int) -> Iterator[tuple[Numbers, Iterator[RawSample | BrokenSample]]]:
        """Blocks of samples that are on their way, with their positions."""
        asked = deque[tuple[Numbers, Iterator[RawSample | BrokenSample]]]()
        for positions in self._blocks(start):
            asked.append((positions, self.mixture.read(self.options.seed, positions)))
            if len(asked) > self.mixture.n_blocks_ahead:
                yield asked.popleft()
        while asked:
            yield asked.popleft()

    def _blocks(self, start: int) -> Iterator[Numbers]:
        options = self.options
        stop = None if options.epochs is None else options.epochs * self.mixture.n_samples
        position = start + options.rank
        while stop is None or position < stop:
            positions = position + options.world * np.arange(_BLOCK, dtype=np.int64)
            yield positions if stop is None else positions[positions < stop]
            position += options.world * _BLOCK


def check_broken(n_in_a_row: int, limit: int, last: BrokenSample) -> None:
    """Raises ShardCorrupt when there are more broken samples in a row than `limit`."""
    if n_in_a_row > limit:
        raise ShardCorrupt(
            f"{n_in_a_row} samples in a row are broken, the last one in {last.shard} "
            f"({last.reason}): {last.sentence}"
        )


def stream_state(mixture: Mixture, seed: int, position: int) -> dict[str, Any]:
    """The state of a stream that stands at `position`."""
    return {
        "version": _STATE_VERSION,
        "position": position,
        "seed": seed,
        "data": mixture.digest,
    }


def position_of(state: dict[str, Any], mixture: Mixture, seed: int) -> int:
    """The position in a state. Raises ShardError when it was taken of other data, with another seed
    or by another version."""
    again = "open the same shards, weights and seed, or start from the beginning"
    if state.get("version") != _STATE_VERSION:
        raise ShardError(f"the state is of version {state.get('version')}, not {_STATE_VERSION}")
    if state["data"] != mixture.digest:
        raise ShardError(f"the state was taken of other shards or weights: {again}")
    if state["seed"] != seed:
        raise ShardError(f"the state was taken with seed {state['seed']}, not {seed}: {again}")
    return int(state["position"])
