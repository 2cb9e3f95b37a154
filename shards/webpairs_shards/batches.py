"""Batches for torch: uint8 pixels, captions and keys, the same ones with any number of workers.

What they hold is told in `batch`; here they become tensors.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any, TypedDict

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from webpairs_shards.loader.batch import BatchJob, BatchOptions, BatchRows, Images, make_batches
from webpairs_shards.loader.workers import WorkerBatches
from webpairs_shards.read.stream import Mixture, position_of, stream_state

__all__ = ["Batch", "BatchLoader", "BatchOptions", "ShardBatches"]


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


class ShardBatches(IterableDataset[Batch]):
    """One item is one batch of this rank: for those who need torch's DataLoader. Give it one with
    `batch_size=None`. `BatchLoader` does without: when a worker is killed, torch may raise outside
    of the loop, or wait for ever."""

    def __init__(self, mixture: Mixture, options: BatchOptions, start: int = 0) -> None:
        self.mixture = mixture
        self.options = options
        self.start = start
        """Stream position of the first batch."""

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        share = (info.id, info.num_workers) if info else (0, 1)
        job = BatchJob(self.mixture, self.options, self.start)
        return (_batch(*made) for made in make_batches(job, share))


class BatchLoader:
    """Batches from worker processes, and where they stand: iterate, save `state_dict()`, go on
    later with any number of workers or ranks.

    With `workers` 0 this process makes them itself. Each worker holds two batches ready at most,
    in memory that the batch's tensor then is; nothing is copied. Whoever leaves the loop ends the
    workers. When a worker dies (no memory was left, somebody killed it), that is one StorageError
    out of the loop; the state is still that of the last batch that arrived, and iterating again
    goes on behind it. Damage raises ShardCorrupt, as `make_batches` tells.
    """

    def __init__(self, mixture: Mixture, options: BatchOptions, workers: int = 0) -> None:
        if workers < 0:
            raise ValueError(f"no such number of workers: {workers}")
        self.mixture = mixture
        self.options = options
        self.workers = workers
        self.position = 0
        self.broken: Counter[tuple[str, str]] = Counter()
        """Samples passed over so far, by (shard, reason)."""

    def __iter__(self) -> Iterator[Batch]:
        job = BatchJob(self.mixture, self.options, self.position)
        if not self.workers:
            yield from self._counted(make_batches(job))
            return
        # Files that this process has open are not for its workers.
        for reader in self.mixture.readers:
            reader.close()
        with closing(WorkerBatches(job, self.workers)) as batches:
            yield from self._counted(batches)

    def _counted(self, batches: Iterator[tuple[Images, BatchRows]]) -> Iterator[Batch]:
        for made in batches:
            batch = _batch(*made)
            self.position = batch["position"]
            self.broken.update(batch["broken"])
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs; JSON-like, of constant size."""
        return stream_state(self.mixture, self.options.seed, self.position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the last batch before `state`. Raises ShardError when it is of other data."""
        self.position = position_of(state, self.mixture, self.options.seed)


def _batch(images: Images, rows: BatchRows) -> Batch:
    return Batch(
        image=torch.from_numpy(images),
        text=rows.text,
        key=rows.key,
        json=rows.json,
        position=rows.position,
        broken=rows.broken,
    )
