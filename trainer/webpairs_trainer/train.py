"""The training loop: batches in, a model out; after a kill it goes on as if there had been none.

Everything random follows from the seed: weights, order, crops. On the same machine with the same
threads a resumed run has the same losses, bit for bit. The number of threads is set and not left to
OpenMP, whose idle threads spin and slow down whoever shares the cores.
"""

import time
from pathlib import Path

import msgspec
import torch

from webpairs_core import files
from webpairs_core.errors import TrainError
from webpairs_core.progress import Progress
from webpairs_shards.read.reader import ShardReader, open_shards
from webpairs_trainer.architecture import ModelConfig, load_config
from webpairs_trainer.checkpoint import Progressed, load_training, model_bytes, save_training
from webpairs_trainer.data import BatchPlan, batches
from webpairs_trainer.metrics import MetricsLog, StepRow, read_metrics
from webpairs_trainer.model import CLIP, build_model
from webpairs_trainer.optimise import learning_rate, make_optimizer, training_step
from webpairs_trainer.options import TrainSection
from webpairs_trainer.plot import training_png
from webpairs_trainer.tokenizer import CaptionTokenizer

_TOKENIZER_CAPTIONS = 1_000_000
"""Captions that the tokenizer is learned from. Shards are shuffled, so the first ones will do."""


class TrainJob(msgspec.Struct, frozen=True, kw_only=True):
    """One training."""

    shards: Path
    work: Path
    """Where checkpoint, tokenizer and metrics of the unfinished run lie."""
    section: TrainSection
    seed: int
    threads: int
    """What `section.threads = 0` stands for."""
    max_steps: int | None = None


class Trained(msgspec.Struct, frozen=True):
    """A finished training, still in memory."""

    model: CLIP
    tokenizer: CaptionTokenizer
    config: ModelConfig
    progressed: Progressed
    metrics: list[StepRow]


class _Parts(msgspec.Struct, frozen=True):
    """What the loop works with."""

    reader: ShardReader
    tokenizer: CaptionTokenizer
    config: ModelConfig
    model: CLIP
    optimizer: torch.optim.Optimizer


def train(job: TrainJob) -> Trained:
    """Train to the end, from where the last attempt stopped.

    Raises TrainError when the shards cannot fill a batch, when they are damaged all over, or when
    the loss is no number; RecipeError when the model is not known; ShardError when there are no
    shards.
    """
    section = job.section
    config = load_config(section.model)
    torch.set_num_threads(section.threads or job.threads)
    device = _device(section)
    reader = open_shards(job.shards)
    if reader.n_samples < section.batch_size:
        raise TrainError(
            f"{job.shards} holds {reader.n_samples:,} samples, fewer than one batch of "
            f"{section.batch_size:,}: lower train.batch_size or collect more"
        )
    tokenizer = _tokenizer(job.work / "tokenizer.json", reader, config.text_cfg.vocab_size)
    model = build_model(config, job.seed).to(device)
    parts = _Parts(reader, tokenizer, config, model, make_optimizer(model, section))
    progressed = load_training(job.work / "checkpoint.pt", model, parts.optimizer)
    metrics = job.work / "metrics.jsonl"
    with MetricsLog(metrics, progressed.step) as log:
        progressed = _loop(job, parts, log, progressed)
    reader.close()
    return Trained(model.cpu().eval(), tokenizer, config, progressed, read_metrics(metrics))


def total_steps(section: TrainSection, n_samples: int, max_steps: int | None) -> int:
    """Steps of a whole run: `epochs` over the samples, at least one, at most `max_steps`."""
    wanted = max(1, round(section.epochs * n_samples / section.batch_size))
    return wanted if max_steps is None else min(wanted, max_steps)


def model_files(trained: Trained, name: str) -> dict[str, bytes]:
    """What a finished model is on disk, by file name."""
    last = trained.metrics[-1]
    rows = [msgspec.json.encode(row) + b"\n" for row in trained.metrics]
    config = msgspec.json.format(msgspec.json.encode(trained.config), indent=2)
    return {
        "checkpoint.pt": model_bytes(name, last.epoch, trained.model),
        "model.json": config + b"\n",
        "tokenizer.json": trained.tokenizer.to_bytes(),
        "metrics.jsonl": b"".join(rows),
        "training.png": training_png(trained.metrics, name, last.samples // last.step),
    }


def _loop(job: TrainJob, parts: _Parts, log: MetricsLog, progressed: Progressed) -> Progressed:
    section, n_samples = job.section, parts.reader.n_samples
    total = total_steps(section, n_samples, job.max_steps)
    stream = batches(parts.reader, parts.tokenizer, _plan(job, parts.config), progressed.position)
    saved = then = time.monotonic()
    with Progress("train", "steps", total - progressed.step) as bar:
        while progressed.step < total:
            batch = next(stream)
            lr = learning_rate(section, progressed.step, total)
            figures = training_step(parts.model, parts.optimizer, batch, lr)
            progressed = Progressed(
                progressed.step + 1, batch.next_position, progressed.n_broken + batch.n_broken
            )
            now = time.monotonic()
            row = StepRow(
                step=progressed.step,
                epoch=round(progressed.position / n_samples, 4),
                samples=progressed.step * section.batch_size,
                loss=figures.loss,
                accuracy=figures.accuracy,
                lr=lr,
                logit_scale=figures.logit_scale,
                grad_norm=figures.grad_norm,
                n_same_caption=batch.n_same_caption,
                n_broken=progressed.n_broken,
                samples_per_s=round(section.batch_size / max(now - then, 1e-9), 1),
            )
            log.add(row)
            bar.add(1, f"loss {row.loss:.3f}, accuracy {row.accuracy:.1%}")
            then = now
            if progressed.step == total or now - saved >= section.checkpoint_every_s:
                log.sync()
                save_training(job.work / "checkpoint.pt", parts.model, parts.optimizer, progressed)
                saved = then = time.monotonic()
    stream.close()
    return progressed


def _plan(job: TrainJob, config: ModelConfig) -> BatchPlan:
    return BatchPlan(
        seed=job.seed,
        batch_size=job.section.batch_size,
        image_size=config.vision_cfg.image_size,
        context_length=config.text_cfg.context_length,
        crop_scale=job.section.crop_scale,
        threads=job.section.threads or job.threads,
    )


def _device(section: TrainSection) -> torch.device:
    has_gpu = torch.cuda.is_available()
    if section.device == "cuda" and not has_gpu:
        raise TrainError(
            'torch sees no GPU: set train.device to "cpu", or install a torch that has CUDA'
        )
    return torch.device("cuda" if has_gpu and section.device != "cpu" else "cpu")


def _tokenizer(path: Path, reader: ShardReader, vocab_size: int) -> CaptionTokenizer:
    """The run's tokenizer: learned once, then kept beside the checkpoint."""
    if path.exists():
        return CaptionTokenizer.load(path)
    n_captions = min(reader.n_samples, _TOKENIZER_CAPTIONS)
    captions = (reader.read(i).text for i in range(n_captions))
    tokenizer = CaptionTokenizer.train(captions, vocab_size)
    files.write_atomic(path, tokenizer.to_bytes())
    return tokenizer
