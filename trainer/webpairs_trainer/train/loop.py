"""The training loop: batches in, a model out; after a kill it goes on as if there had been none.

Everything random follows from the seed: weights, order, crops. On the same machine with the same
threads a resumed run has the same losses, bit for bit. The number of threads is set and not left to
OpenMP, whose idle threads spin and slow down whoever shares the cores.
"""

import logging
import math
import time
from pathlib import Path

import msgspec
import torch

from webpairs_core import files
from webpairs_core.errors import TrainError
from webpairs_core.progress import Progress
from webpairs_shards.read.open import open_shards
from webpairs_shards.read.reader import ShardReader
from webpairs_trainer.checkpoints.ours import model_bytes
from webpairs_trainer.data.batches import Batch, BatchPlan
from webpairs_trainer.data.feed import device_batches
from webpairs_trainer.model.architecture import ModelConfig, load_config
from webpairs_trainer.model.clip import CLIP, build_model
from webpairs_trainer.model.flops import TRAINED, forward_flop
from webpairs_trainer.options import TrainSection
from webpairs_trainer.text.tokenizer import CaptionTokenizer
from webpairs_trainer.train.optimise import (
    LaterFigures,
    Learner,
    learning_rate,
    make_learner,
    training_step,
)
from webpairs_trainer.train.pace import Mark, Pace, mark, seconds
from webpairs_trainer.train.plot import training_png
from webpairs_trainer.train.resume import Progressed, load_training, save_training
from webpairs_trainer.train.rows import MetricsLog, StepRow, read_metrics

logger = logging.getLogger(__name__)

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
    learner: Learner


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
    learner = make_learner(build_model(config, job.seed).to(device), section)
    parts = _Parts(reader, tokenizer, config, learner)
    progressed = load_training(job.work / "checkpoint.pt", learner)
    metrics = job.work / "metrics.jsonl"
    with MetricsLog(metrics, progressed.step) as log:
        progressed = _loop(job, parts, log, progressed)
    reader.close()
    # A new one, on the CPU and not compiled.
    model = build_model(config, job.seed).eval()
    model.load_state_dict(learner.model.state_dict())
    return Trained(model, tokenizer, config, progressed, read_metrics(metrics))


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


class _Begun(msgspec.Struct, frozen=True):
    """A step that a GPU may still be at work on."""

    progressed: Progressed
    batch: Batch
    lr: float
    figures: LaterFigures
    marks: tuple[Mark, Mark, Mark]
    """When its batch was asked for, when that was there, when the step was done."""


class _Rows:
    """Makes the rows of metrics.jsonl, one step later than the steps: a GPU runs dry where each
    step's figures are waited for."""

    def __init__(self, parts: _Parts, log: MetricsLog, bar: Progress) -> None:
        self._parts = parts
        self._log = log
        self._bar = bar
        self._begun: _Begun | None = None
        self.pace = Pace()

    def add(self, begun: _Begun) -> None:
        """A step has begun, so the one before is as good as done."""
        self.flush()
        self._begun = begun

    def flush(self) -> None:
        """Wait for the last step. Raises TrainError when it came to no number."""
        begun, self._begun = self._begun, None
        if begun is None:
            return
        figures = begun.figures.read()
        asked, there, done = begun.marks
        step_s, wait_s = seconds(asked, done), seconds(asked, there)
        n, n_tokens = begun.batch.tokens.shape
        flop = TRAINED * n * forward_flop(self._parts.config, n_tokens)
        self.pace.add(n, flop, step_s, wait_s)
        row = StepRow(
            step=begun.progressed.step,
            epoch=round(begun.progressed.position / self._parts.reader.n_samples, 4),
            samples=begun.progressed.position - begun.progressed.n_broken,
            loss=figures.loss,
            accuracy=figures.accuracy,
            lr=begun.lr,
            logit_scale=figures.logit_scale,
            grad_norm=figures.grad_norm if math.isfinite(figures.grad_norm) else None,
            n_same_caption=begun.batch.n_same_caption,
            n_broken=begun.progressed.n_broken,
            n_tokens=n_tokens,
            samples_per_s=round(n / max(step_s, 1e-9), 1),
            waiting=round(wait_s / max(step_s, 1e-9), 4),
        )
        self._log.add(row)
        note = f"loss {row.loss:.3f}, accuracy {row.accuracy:.1%}"
        self._bar.add(1, f"{note}, waits for data {self.pace.waiting:.0%}")


def _loop(job: TrainJob, parts: _Parts, log: MetricsLog, progressed: Progressed) -> Progressed:
    section, learner = job.section, parts.learner
    device = learner.model.logit_scale.device
    total = total_steps(section, parts.reader.n_samples, job.max_steps)
    plan = _plan(job, parts.config)
    stream = device_batches(parts.reader, parts.tokenizer, plan, progressed.position, device)
    saved = time.monotonic()
    with Progress("train", "steps", total - progressed.step) as bar:
        rows = _Rows(parts, log, bar)
        done = mark(device)
        while progressed.step < total:
            asked, batch, there = done, next(stream), mark(device)
            lr = learning_rate(section, progressed.step, total)
            figures = training_step(learner, batch, lr)
            done = mark(device)
            progressed = Progressed(
                progressed.step + 1, batch.next_position, progressed.n_broken + batch.n_broken
            )
            rows.add(_Begun(progressed, batch, lr, figures, (asked, there, done)))
            is_due = time.monotonic() - saved >= section.checkpoint_every_s
            if progressed.step == total or is_due:
                rows.flush()
                log.sync()
                save_training(job.work / "checkpoint.pt", learner, progressed)
                saved, done = time.monotonic(), mark(device)
    stream.close()
    logger.info("train: %s", rows.pace.sentence())
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
