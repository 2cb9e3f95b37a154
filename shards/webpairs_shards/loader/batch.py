"""One rank's batches in numpy, made from positions of the stream; nothing here needs torch.

Global batch g holds the positions [g · B · W, (g + 1) · B · W) of the stream (B a rank's batch, W
ranks). A worker makes every n-th batch of its rank by itself, so the batches are the same ones,
however many workers there are, and the position after the last one is the whole state. A broken
sample leaves its batch one smaller: filling it up would make later batches depend on the damage.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from webpairs_shards.loader.pixels import DAMAGED, Pixels, centre_square, random_square
from webpairs_shards.read.sample import BrokenSample, RawSample
from webpairs_shards.read.stream import Mixture, Numbers, check_broken

Images = npt.NDArray[np.uint8]
"""(B, 3, S, S)."""
Allocate = Callable[[tuple[int, ...]], Images]


class BatchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the batches."""

    batch_size: int
    """Of each rank."""
    image_size: int
    """Pixels a side."""
    min_share: float = 0.9
    """Of the random crop, see `random_square`; 0 for evaluation: the middle square."""
    seed: int = 0
    rank: int = 0
    world: int = 1
    epochs: int | None = None
    """None: without end. With an end, the last batch may be smaller, and empty on the last
    ranks."""
    max_broken_in_a_row: int = 100

    def __post_init__(self) -> None:
        sound = 0 <= self.rank < self.world and self.batch_size > 0 and self.image_size > 0
        if not sound or not 0 <= self.min_share <= 1 or (self.epochs or 1) < 1 or self.seed < 0:
            raise ValueError(f"no such batches: {self}")


class BatchJob(msgspec.Struct, frozen=True):
    """All that decides a stream of batches: what a worker process is given. Picklable when the
    readers of the mixture are closed."""

    mixture: Mixture
    options: BatchOptions
    start: int
    """Stream position of the first batch."""


class BatchRows(msgspec.Struct, frozen=True, gc=False):
    """What a batch is besides its pixels; row i belongs to image i."""

    text: list[str]
    key: list[str]
    json: list[bytes]
    position: int
    """Where the stream goes on after this batch."""
    broken: dict[tuple[str, str], int]
    """Samples passed over while it was filled, by (shard, reason)."""


def plain_memory(shape: tuple[int, ...]) -> Images:
    """Images of this shape in memory of this process."""
    return np.empty(shape, np.uint8)


def make_batches(
    job: BatchJob, share: tuple[int, int] = (0, 1), allocate: Allocate = plain_memory
) -> Iterator[tuple[Images, BatchRows]]:
    """Each batch of the rank, or with `share` (k, n) every n-th from batch k on.

    The images of a batch are the first rows of what `allocate` gave for a full one. Raises
    ShardCorrupt after too many broken samples in a row, and where an index is missing.
    """
    options = job.options
    first, step = share
    stop = None if options.epochs is None else options.epochs * job.mixture.n_samples
    whole = options.batch_size * options.world
    base = job.start + first * whole
    maker = _Maker(job, allocate)
    while stop is None or base < stop:
        end = base + whole if stop is None else min(base + whole, stop)
        yield maker.make(base, end)  # no name for it here: its memory is the caller's alone
        base += step * whole


class _Maker:
    """One batch after another."""

    def __init__(self, job: BatchJob, allocate: Allocate) -> None:
        self._job = job
        self._allocate = allocate
        self._n_in_a_row = 0

    def make(self, base: int, end: int) -> tuple[Images, BatchRows]:
        """Of the positions in [base, end) those of the rank."""
        options = self._job.options
        positions = np.arange(base + options.rank, end, options.world, dtype=np.int64)
        images = self._allocate((options.batch_size, 3, options.image_size, options.image_size))
        rows: list[RawSample] = []
        broken: Counter[tuple[str, str]] = Counter()
        for made in _decoded(self._job, positions):
            if isinstance(made, BrokenSample):
                broken[made.shard, made.reason] += 1
                self._n_in_a_row += 1
                check_broken(self._n_in_a_row, options.max_broken_in_a_row, made)
            else:
                self._n_in_a_row = 0
                # (S, S, 3) → (3, S, S)
                images[len(rows)] = made[0].transpose(2, 0, 1)
                rows.append(made[1])
        return images[: len(rows)], _rows(rows, end, broken)


def _rows(rows: list[RawSample], end: int, broken: Counter[tuple[str, str]]) -> BatchRows:
    return BatchRows(
        text=[each.text for each in rows],
        key=[each.key for each in rows],
        json=[each.json for each in rows],
        position=end,
        broken=dict(broken),
    )


def _decoded(
    job: BatchJob, positions: Numbers
) -> Iterator[tuple[Pixels, RawSample] | BrokenSample]:
    samples = job.mixture.read(job.options.seed, positions)
    for position, sample in zip(positions.tolist(), samples, strict=True):
        if isinstance(sample, BrokenSample):
            yield sample
            continue
        try:
            yield _square(job.options, position, sample.image), sample
        except DAMAGED as error:
            sentence = f"the image of sample {sample.key} does not decode: {error}"
            yield BrokenSample("(decoded)", sample.key, "not_image", sentence)


def _square(options: BatchOptions, position: int, image: bytes) -> Pixels:
    if options.min_share == 0:
        return centre_square(image, options.image_size)
    rng = random.Random(f"crop {options.seed} {position}")
    return random_square(image, options.image_size, options.min_share, rng)
