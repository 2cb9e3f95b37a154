"""Batches on the way to the device: from worker processes, and to a GPU while it is at work.

`data.py` reads with threads and keeps what it decoded, which suits small data sets and CPUs. A GPU
eats thousands of images a second: there worker processes make the batches, and a thread carries
them over by pinned memory on a stream of its own, so that the model never waits for a copy.
"""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import torch

from webpairs_core.errors import TrainError
from webpairs_shards.batches import BatchLoader, BatchOptions
from webpairs_shards.read.reader import ShardReader
from webpairs_shards.read.stream import Mixture, stream_state
from webpairs_trainer.data.batches import Batch, BatchPlan, batches
from webpairs_trainer.text.tokenizer import CaptionTokenizer, pad

_AHEAD = 2
"""Batches that are on the GPU, or on their way, before they are asked for."""


def device_batches(
    reader: ShardReader,
    tokenizer: CaptionTokenizer,
    plan: BatchPlan,
    start: int,
    device: torch.device,
) -> Generator[Batch]:
    """Batches without end on `device`, from stream position `start`. Raises as `batches` and
    `worker_batches`."""
    if device.type == "cuda":
        return to_gpu(worker_batches(reader, tokenizer, plan, start), device)
    return batches(reader, tokenizer, plan, start)


def worker_batches(
    reader: ShardReader, tokenizer: CaptionTokenizer, plan: BatchPlan, start: int
) -> Generator[Batch]:
    """Batches made by `plan.threads` processes, without end from stream position `start`; damaged
    samples make theirs smaller.

    Raises ShardCorrupt where too many in a row are damaged, StorageError where a worker died.
    """
    mixture = Mixture([(reader, 1.0)])
    options = BatchOptions(
        batch_size=plan.batch_size,
        image_size=plan.image_size,
        min_share=plan.crop_scale,
        seed=plan.seed,
    )
    loader = BatchLoader(mixture, options, workers=plan.threads)
    loader.load_state_dict(stream_state(mixture, plan.seed, start))
    for found in loader:
        texts = found["text"]
        if len(texts) < 2:
            raise TrainError(
                f"a whole batch of {reader.folder} cannot be decoded: run `webpairs verify` on the "
                "shards and make them again"
            )
        yield Batch(
            found["image"],
            pad(tokenizer.encode_many(texts, plan.context_length)),
            found["position"],
            sum(found["broken"].values()),
            len(texts) - len(set(texts)),
        )


def to_gpu(stream: Generator[Batch], device: torch.device) -> Generator[Batch]:
    """The same batches on the GPU. `stream` is read by a thread of its own."""
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def load() -> tuple[Batch, torch.cuda.Event]:
        batch = next(stream)
        with torch.cuda.stream(side):
            there = msgspec.structs.replace(
                batch,
                pixels=batch.pixels.pin_memory().to(device, non_blocking=True),
                tokens=batch.tokens.pin_memory().to(device, non_blocking=True),
            )
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(side)
        return there, arrived

    pending: deque[Future[tuple[Batch, torch.cuda.Event]]] = deque()
    pool = ThreadPoolExecutor(1, thread_name_prefix="to_gpu")
    try:
        while True:
            while len(pending) < _AHEAD:
                pending.append(pool.submit(load))
            batch, arrived = pending.popleft().result()
            here = torch.cuda.current_stream(device)
            here.wait_event(arrived)
            # Their memory was taken by the side stream: it must not be given away under this one.
            batch.pixels.record_stream(here)
            batch.tokens.record_stream(here)
            yield batch
    finally:
        pool.shutdown(cancel_futures=True)
        stream.close()
