"""Batches for torch: uint8 pixels, captions and keys, the same ones with any number of workers.

Global batch g holds the positions [g · B · W, (g + 1) · B · W) of the stream (B a rank's batch, W
ranks). A worker makes every n-th batch of its rank by itself, so batches arrive in one order,
however many workers there are, and the position after the last one is the whole state. A broken
sample leaves its batch one smaller: filling it up would make later batches depend on the damage.
"""

import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator
from multiprocessing import connection
from typing import Any, TypedDict

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from webpairs_core.errors import StorageError
from webpairs_shards.read.pixels import DAMAGED, Pixels, centre_square, random_square
from webpairs_shards.read.reader import BrokenSample, RawSample
from webpairs_shards.read.stream import Mixture, check_broken, position_of, stream_state

_DYING_S = 2.0


class Batch(TypedDict):
    """What one step trains on."""

    image: Tensor
    """(B, 3, S, S) uint8."""
    text: list[str]
    key: list[str]
    json: list[bytes]
    position: int
    """Where the stream goes on after this batch."""
    broken: dict[tuple[str, str], int]
    """Samples passed over while it was filled, by (shard, reason)."""


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


class ShardBatches(IterableDataset[Batch]):
    """One item is one batch of this rank: give it to a DataLoader with `batch_size=None`."""

    def __init__(self, mixture: Mixture, options: BatchOptions, start: int = 0) -> None:
        self.mixture = mixture
        self.options = options
        self.start = start
        """Stream position of the first batch."""

    def __iter__(self) -> Iterator[Batch]:
        options = self.options
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        stop = None if options.epochs is None else options.epochs * self.mixture.n_samples
        whole = options.batch_size * options.world
        base = self.start + first * whole
        n_in_a_row = 0
        while stop is None or base < stop:
            end = base + whole if stop is None else min(base + whole, stop)
            positions = np.arange(base + options.rank, end, options.world, dtype=np.int64)
            batch, n_in_a_row = self._batch(positions, end, n_in_a_row)
            yield batch
            base += step * whole

    def _batch(
        self, positions: np.ndarray[Any, np.dtype[np.int64]], end: int, n_in_a_row: int
    ) -> tuple[Batch, int]:
        rows: list[tuple[Pixels, RawSample]] = []
        broken: Counter[tuple[str, str]] = Counter()
        samples = self.mixture.read(self.options.seed, positions)
        for position, sample in zip(positions.tolist(), samples, strict=True):
            made = self._decoded(position, sample)
            if isinstance(made, BrokenSample):
                broken[made.shard, made.reason] += 1
                n_in_a_row += 1
                check_broken(n_in_a_row, self.options.max_broken_in_a_row, made)
            else:
                n_in_a_row = 0
                rows.append(made)
        side = self.options.image_size
        pixels = np.stack([row[0] for row in rows]) if rows else np.empty((0, side, side, 3), "u1")
        # (B, S, S, 3) → (B, 3, S, S)
        image = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
        raw = [row[1] for row in rows]
        batch = Batch(
            image=image,
            text=[each.text for each in raw],
            key=[each.key for each in raw],
            json=[each.json for each in raw],
            position=end,
            broken=dict(broken),
        )
        return batch, n_in_a_row

    def _decoded(
        self, position: int, sample: RawSample | BrokenSample
    ) -> tuple[Pixels, RawSample] | BrokenSample:
        if isinstance(sample, BrokenSample):
            return sample
        options = self.options
        try:
            if options.min_share == 0:
                return centre_square(sample.image, options.image_size), sample
            rng = random.Random(f"crop {options.seed} {position}")
            pixels = random_square(sample.image, options.image_size, options.min_share, rng)
        except DAMAGED as error:
            sentence = f"the image of sample {sample.key} does not decode: {error}"
            return BrokenSample("(decoded)", sample.key, "not_image", sentence)
        return pixels, sample


class BatchLoader:
    """A DataLoader that knows where it stands: iterate, save `state_dict()`, go on later with any
    number of workers or ranks.

    When a worker dies (no memory was left, somebody killed it), that is one StorageError; the state
    is still that of the last batch that arrived. torch tells of a death from a signal
    handler, so its RuntimeError may come up in the code around the loop instead, and where a worker
    died in the middle of handing over a batch torch may wait for the rest for ever.
    """

    def __init__(self, mixture: Mixture, options: BatchOptions, workers: int = 0) -> None:
        self.mixture = mixture
        self.options = options
        self.workers = workers
        self.position = 0
        self.broken: Counter[tuple[str, str]] = Counter()
        """Samples passed over so far, by (shard, reason)."""

    def __iter__(self) -> Iterator[Batch]:
        dataset = ShardBatches(self.mixture, self.options, self.position)
        # Files that this process has open are not for its workers.
        for reader in self.mixture.readers:
            reader.close()
        batches: DataLoader[Batch] = DataLoader(dataset, batch_size=None, num_workers=self.workers)
        before = set(multiprocessing.active_children())
        made = iter(batches)
        workers = set(multiprocessing.active_children()) - before
        while True:
            try:
                batch = next(made)
            except StopIteration:
                return
            except (RuntimeError, OSError, EOFError) as error:
                # The pipe tells of a death a little before the process table does.
                if not connection.wait([worker.sentinel for worker in workers], _DYING_S):
                    raise
                raise StorageError(
                    f"a worker of the loader died ({error}): with too little memory, take fewer "
                    "workers; load_state_dict goes on after the last batch that came"
                ) from error
            self.position = batch["position"]
            self.broken.update(batch["broken"])
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs; JSON-like, of constant size."""
        return stream_state(self.mixture, self.options.seed, self.position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the last batch before `state`. Raises ShardError when it is of other data."""
        self.position = position_of(state, self.mixture, self.options.seed)
