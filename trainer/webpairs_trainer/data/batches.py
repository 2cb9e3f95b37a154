"""Shards → batches of pixels and tokens, the same ones on every machine.

The stream's position is the whole state: the order, the crop of each sample and the batches follow
from (seed, position) alone. So a run that was killed goes on with the batches it would have seen,
and threads only decide how soon they are ready.
"""

import math
import random
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import msgspec
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from webpairs_core.errors import TrainError
from webpairs_shards.read.reader import ShardReader
from webpairs_shards.read.sample import RawSample
from webpairs_trainer.data.transforms import DAMAGED, Pixels, decode, random_square
from webpairs_trainer.text.tokenizer import CaptionTokenizer, pad

MAX_BROKEN_IN_A_ROW = 100
"""Damaged images after which training stops: by then it is no accident."""
_CHUNK = 32
"""Samples of one task of a thread."""
_AHEAD = 8
"""Chunks that are made ready while the model works."""
_CACHE_BYTES = 512 * 2**20
"""Decoded images are kept up to this much memory: small data sets are decoded once, not each epoch,
and decoding is nine tenths of the loader's work."""


class BatchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the batches."""

    seed: int
    batch_size: int
    image_size: int
    context_length: int
    crop_scale: float
    threads: int = 1
    """Threads that decode; no influence on the batches."""


class Batch(msgspec.Struct, frozen=True):
    """What one step trains on."""

    pixels: Tensor
    """(B, 3, S, S) uint8."""
    tokens: Tensor
    """(B, T) int64, cut at the longest caption."""
    next_position: int
    """Where the stream goes on after this batch."""
    n_broken: int
    """Damaged images that were passed over while this batch was filled."""
    n_same_caption: int
    """Rows whose caption an earlier row has, too: the loss counts their images as wrong answers."""


class _Ready(msgspec.Struct, frozen=True):
    pixels: Pixels
    tokens: list[int]
    text: str


def batches(
    reader: ShardReader, tokenizer: CaptionTokenizer, plan: BatchPlan, start: int
) -> Generator[Batch]:
    """Batches without end from stream position `start`, always full: damaged images are passed by.

    Raises TrainError after a hundred damaged images in a row, ShardCorrupt where a shard is broken.
    """
    rows: list[_Ready] = []
    position, n_broken, in_a_row = start, 0, 0
    for sample in _ready_samples(reader, tokenizer, plan, start):
        position += 1
        if sample is None:
            n_broken, in_a_row = n_broken + 1, in_a_row + 1
            if in_a_row == MAX_BROKEN_IN_A_ROW:
                raise TrainError(
                    f"{in_a_row} images of {reader.folder} in a row cannot be decoded: "
                    "run `webpairs verify` on the shards and make them again"
                )
            continue
        in_a_row = 0
        rows.append(sample)
        if len(rows) == plan.batch_size:
            yield _batch(rows, position, n_broken)
            rows, n_broken = [], 0


def _batch(rows: list[_Ready], next_position: int, n_broken: int) -> Batch:
    # (B, S, S, 3) → (B, 3, S, S)
    pixels = torch.from_numpy(np.stack([row.pixels for row in rows])).permute(0, 3, 1, 2)
    return Batch(
        pixels.contiguous(),
        pad([row.tokens for row in rows]),
        next_position,
        n_broken,
        len(rows) - len({row.text for row in rows}),
    )


def _ready_samples(
    reader: ShardReader, tokenizer: CaptionTokenizer, plan: BatchPlan, start: int
) -> Iterator[_Ready | None]:
    """The stream's samples in order, made ready by threads; None for a damaged image."""
    stream = reader.stream(plan.seed, start)
    preparer = _Preparer(tokenizer, plan)
    position = start
    pending: deque[Future[list[_Ready | None]]] = deque()
    pool = ThreadPoolExecutor(plan.threads, thread_name_prefix="decode")
    try:
        while True:
            while len(pending) < _AHEAD:
                chunk = list(islice(stream, _CHUNK))
                pending.append(pool.submit(preparer.prepare, position, chunk))
                position += len(chunk)
            yield from pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Preparer:
    """Decodes, crops and tokenises; remembers what does not change from epoch to epoch."""

    def __init__(self, tokenizer: CaptionTokenizer, plan: BatchPlan) -> None:
        self._tokenizer = tokenizer
        self._plan = plan
        # The decoder may scale down as far as the smallest crop still has image_size pixels.
        self._min_side = math.ceil(plan.image_size / math.sqrt(plan.crop_scale))
        self._kept: dict[str, tuple[Image.Image, list[int]]] = {}
        self._room = _CACHE_BYTES

    def prepare(self, position: int, chunk: list[RawSample]) -> list[_Ready | None]:
        """One chunk of the stream; `position` is that of its first sample."""
        return [self._one(position + i, raw) for i, raw in enumerate(chunk)]

    def _one(self, position: int, raw: RawSample) -> _Ready | None:
        plan = self._plan
        try:
            image, tokens = self._decoded(raw)
        except DAMAGED:
            return None
        rng = random.Random(f"crop {plan.seed} {position}")
        return _Ready(random_square(image, plan.image_size, plan.crop_scale, rng), tokens, raw.text)

    def _decoded(self, raw: RawSample) -> tuple[Image.Image, list[int]]:
        kept = self._kept.get(raw.key)
        if kept is not None:
            return kept
        # Two threads may do this for one sample at once: both get the same pixels.
        image = decode(raw.image, self._min_side)
        made = image, self._tokenizer.encode(raw.text, self._plan.context_length)
        n_bytes = image.width * image.height * 3
        if n_bytes <= self._room:
            self._room -= n_bytes
            self._kept[raw.key] = made
        return made
