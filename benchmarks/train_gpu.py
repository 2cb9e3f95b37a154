"""The trainer on a GPU: the model alone on batches that lie there, the loader alone, and the whole
training from shards to a checkpoint. Prints samples/s, and the model FLOPs utilisation (MFU): the
operations of webpairs_trainer/model/flops.py against the card's dense bf16 peak. Texts count with
the tokens that were computed. On a CPU it runs as well, for small models, without an MFU."""

import argparse
import json
import logging
import tempfile
import time
from itertools import islice
from pathlib import Path

import msgspec
import torch

from made_shards import make_shards
from webpairs_shards.read.open import open_shards
from webpairs_trainer.data.batches import Batch, BatchPlan
from webpairs_trainer.data.feed import worker_batches
from webpairs_trainer.model.architecture import ModelConfig, load_config
from webpairs_trainer.model.clip import build_model
from webpairs_trainer.model.flops import TRAINED, forward_flop
from webpairs_trainer.options import TrainSection
from webpairs_trainer.text.tokenizer import CaptionTokenizer
from webpairs_trainer.train.loop import TrainJob, train
from webpairs_trainer.train.optimise import LaterFigures, make_learner, training_step

PEAK_TFLOPS = {"H100": 989, "H200": 989, "A100": 312, "L40S": 362, "B200": 2250}
"""Dense bf16 by the vendor's data sheets, for cards whose name holds the word."""
N_WARM = 5
"""Steps before the clock starts: compiling, and the first allocations."""


class Speed(msgspec.Struct, frozen=True):
    """What one part reached."""

    name: str
    samples_per_s: float
    tflops: float
    mfu: float | None
    """0..1; None where the card's peak is not known."""
    waiting: float | None
    """Share of the time that the model waited for data."""
    peak_gib: float
    """Of the GPU's memory."""


def measure_model(
    config: ModelConfig, section: TrainSection, device: torch.device, n_tokens: int, n_steps: int
) -> Speed:
    """Training steps on random batches that lie on the device, captions of `n_tokens`."""
    learner = make_learner(build_model(config, 0).to(device), section)
    made = [_random_batch(config, section.batch_size, n_tokens, device) for _ in range(2)]
    before: LaterFigures | None = None
    started = time.perf_counter()
    for step in range(N_WARM + n_steps):
        if step == N_WARM:
            _wait(device)
            started = time.perf_counter()
        figures = training_step(learner, made[step % 2], 1e-5)
        if before is not None:
            before.read()
        before = figures
    _wait(device)
    rate = n_steps * section.batch_size / (time.perf_counter() - started)
    flop = TRAINED * forward_flop(config, n_tokens)
    return _speed(_name("model", section, f"{n_tokens} tokens"), rate, rate * flop)


def measure_loader(shards: Path, config: ModelConfig, section: TrainSection, n: int) -> Speed:
    """About `n` batches from shards by `section.threads` processes, with nothing to train."""
    reader = open_shards(shards)
    captions = [reader.read(i).text for i in range(min(1_000, reader.n_samples))]
    tokenizer = CaptionTokenizer.train(captions, config.text_cfg.vocab_size)
    plan = BatchPlan(
        seed=0,
        batch_size=section.batch_size,
        image_size=config.vision_cfg.image_size,
        context_length=config.text_cfg.context_length,
        crop_scale=section.crop_scale,
        threads=section.threads,
    )
    stream = worker_batches(reader, tokenizer, plan, 0)
    # Workers finish side by side, so batches come in waves: whole waves are counted.
    for _ in islice(stream, 2 * section.threads):
        pass
    n_whole = section.threads * max(2, round(n / section.threads))
    started = time.perf_counter()
    n_read = sum(len(batch.pixels) for batch in islice(stream, n_whole))
    rate = n_read / (time.perf_counter() - started)
    stream.close()
    return _speed(_name("loader", section, f"{section.threads} workers"), rate, 0.0)


def measure_training(shards: Path, section: TrainSection, n_steps: int) -> Speed:
    """The whole `train`, as a recipe starts it; the first steps and the checkpoint are left out."""
    with tempfile.TemporaryDirectory() as name:
        job = TrainJob(
            shards=shards,
            work=Path(name),
            section=section,
            seed=0,
            threads=section.threads,
            max_steps=N_WARM + section.threads + n_steps,
        )
        trained = train(job)
    rows = trained.metrics[N_WARM + section.threads :]
    step_s = [section.batch_size / row.samples_per_s for row in rows]
    rate = section.batch_size * len(rows) / sum(step_s)
    flops = [TRAINED * forward_flop(trained.config, row.n_tokens) for row in rows]
    wait_s = sum(s * row.waiting for s, row in zip(step_s, rows, strict=True))
    name = _name("training", section, f"{section.threads} workers")
    made = _speed(name, rate, rate * sum(flops) / len(flops))
    return msgspec.structs.replace(made, waiting=round(wait_s / sum(step_s), 4))


def _random_batch(config: ModelConfig, n: int, n_tokens: int, device: torch.device) -> Batch:
    side = config.vision_cfg.image_size
    pixels = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, device=device)
    end = config.text_cfg.vocab_size - 1
    tokens = torch.randint(0, end, (n, n_tokens), device=device)
    tokens[:, -1] = end
    return Batch(pixels, tokens, 0, 0, 0)


def _name(part: str, section: TrainSection, note: str) -> str:
    words = [part, section.model, f"batch {section.batch_size}", section.precision, note]
    words += ["compiled"] if section.compile else []
    return ", ".join(words + (["checkpointing"] if section.grad_checkpointing else []))


def _speed(name: str, rate: float, flop_per_s: float) -> Speed:
    has_gpu = torch.cuda.is_available()
    card = torch.cuda.get_device_name() if has_gpu else ""
    peak = next((tflops for word, tflops in PEAK_TFLOPS.items() if word in card), None)
    tflops = flop_per_s / 1e12
    mfu = None if peak is None else round(tflops / peak, 4)
    peak_gib = torch.cuda.max_memory_allocated() / 2**30 if has_gpu else 0.0
    return Speed(name, round(rate, 1), round(tflops, 2), mfu, None, round(peak_gib, 1))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _print(speed: Speed) -> None:
    print(json.dumps(msgspec.to_builtins(speed)), flush=True)


def main() -> None:
    """Measure what is asked for, one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--grad-checkpointing", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--tokens", type=int, nargs="*", default=[77, 24], help="0 or more lengths")
    parser.add_argument("--workers", type=int, nargs="*", default=[8], help="of the loader")
    parser.add_argument("--long", type=float, default=0.0, help="share of captions of 80 words")
    parser.add_argument("--samples", type=int, default=16_384, help="in the shards that are made")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(json.dumps({"card": card, "torch": torch.__version__}), flush=True)
    section = TrainSection(
        model=args.model,
        device=args.device,
        precision=args.precision,
        compile=args.compile,
        grad_checkpointing=args.grad_checkpointing,
        batch_size=args.batch,
        epochs=1e9,
        checkpoint_every_s=1e9,
    )
    config, device = load_config(args.model), torch.device(args.device)
    for n_tokens in args.tokens:
        _print(measure_model(config, section, device, n_tokens, args.steps))
    if not args.workers:
        return
    with tempfile.TemporaryDirectory() as name:
        shards = make_shards(Path(name) / "shards", args.samples, long_share=args.long)
        for workers in args.workers:
            with_workers = msgspec.structs.replace(section, threads=workers)
            _print(measure_loader(shards, config, with_workers, args.steps))
            _print(measure_training(shards, with_workers, args.steps))


if __name__ == "__main__":
    main()
