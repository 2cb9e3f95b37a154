"""One step of the optimiser: AdamW as in the CLIP paper (table 19), warm-up and cosine."""

import math
from importlib.util import find_spec

import msgspec
import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from webpairs_core.errors import TrainError
from webpairs_trainer.data.batches import Batch
from webpairs_trainer.model.clip import CLIP, LOGIT_SCALE_MAX
from webpairs_trainer.model.faster import compile_parts, fuse_attention
from webpairs_trainer.options import TrainSection
from webpairs_trainer.train.loss import clip_loss

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Learner(msgspec.Struct, frozen=True):
    """A model and what changes it."""

    model: CLIP
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Keeps float16's gradients in its range; off for other types."""
    compute_type: torch.dtype
    """What the towers compute in. Weights, loss and optimiser are float32 in any case."""


class StepFigures(msgspec.Struct, frozen=True):
    """What one step measured."""

    loss: float
    accuracy: float
    logit_scale: float
    grad_norm: float


class LaterFigures(msgspec.Struct, frozen=True):
    """Figures that a GPU may still be at work on: whoever reads them at once makes it run dry."""

    values: Tensor
    """(4,) float32, on the CPU."""
    is_skipped_when_huge: bool
    """float16 passes over a step whose gradients overflow; elsewhere that is the end."""
    arrived: torch.cuda.Event | None

    def read(self) -> StepFigures:
        """Wait for them. Raises TrainError when the training has come to no number."""
        if self.arrived is not None:
            self.arrived.synchronize()
        figures = StepFigures(*self.values.tolist())
        is_sound = self.is_skipped_when_huge or math.isfinite(figures.grad_norm)
        if not math.isfinite(figures.loss) or not is_sound:
            raise TrainError(
                "the loss is no number any more: lower train.lr, or raise train.warmup_steps"
            )
        return figures


def make_learner(model: CLIP, section: TrainSection) -> Learner:
    """The learner of a model that lies where it is to be trained."""
    device = model.logit_scale.device
    kind = _compute_type(section, device)
    for tower in (model.visual.transformer, model.transformer):
        tower.is_recomputed = section.grad_checkpointing
        if device.type == "cuda" and kind != torch.float32 and find_spec("triton"):
            fuse_attention(tower)
    if section.compile:
        compile_parts(model)
    scaler = torch.amp.GradScaler(device.type, enabled=kind == torch.float16)
    return Learner(model, make_optimizer(model, section), scaler, kind)


def make_optimizer(model: CLIP, section: TrainSection) -> torch.optim.AdamW:
    """AdamW in one fused kernel (five times faster on CPUs than a loop over the parameters)."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    # Gains, biases, the class embedding and the temperature: decay would pull them to 0.
    others = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": section.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=section.lr,
        betas=(section.beta1, section.beta2),
        eps=section.eps,
        fused=True,
    )


def learning_rate(section: TrainSection, step: int, total: int) -> float:
    """The rate of step `step` (from 0) of `total`: a straight warm-up, then half a cosine to 0."""
    if step < section.warmup_steps:
        return section.lr * (step + 1) / section.warmup_steps
    through = (step - section.warmup_steps) / max(1, total - section.warmup_steps)
    return section.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, through)))


def training_step(learner: Learner, batch: Batch, lr: float) -> LaterFigures:
    """Forward, backward, update, on a batch that lies on the model's device."""
    model, optimizer, scaler = learner.model, learner.optimizer, learner.scaler
    device = model.logit_scale.device
    for group in optimizer.param_groups:
        group["lr"] = lr
    is_lowered = learner.compute_type != torch.float32
    with torch.autocast(device.type, learner.compute_type, enabled=is_lowered):
        images = model.encode_image(batch.pixels)
        texts = model.encode_text(batch.tokens)
    loss, accuracy = clip_loss(images, texts, model.logit_scale)
    optimizer.zero_grad()
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.unscale_(optimizer)
    grad_norm = get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    scaler.step(optimizer)
    scaler.update()
    with torch.no_grad():
        model.logit_scale.clamp_(0, LOGIT_SCALE_MAX)
        values = torch.stack([loss.detach(), accuracy, model.logit_scale.exp(), grad_norm])
    return _later(values, is_skipped_when_huge=scaler.is_enabled())


def _later(values: Tensor, *, is_skipped_when_huge: bool) -> LaterFigures:
    if not values.is_cuda:
        return LaterFigures(values, is_skipped_when_huge, None)
    arriving = values.to("cpu", non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()
    return LaterFigures(arriving, is_skipped_when_huge, arrived)


def _compute_type(section: TrainSection, device: torch.device) -> torch.dtype:
    if section.precision != "auto":
        return _TYPES[section.precision]
    # A GPU before 2020's would only pretend to know bf16, many times slower.
    is_fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if is_fast else torch.float32
