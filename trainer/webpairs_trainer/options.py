"""The recipe sections of the trainer: `[score]`, `[train]` and `[eval]`; and the names of the files
of a checkpoint."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]

OPEN_CLIP_CONFIG = "open_clip_config.json"
OPEN_CLIP_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
"""The first of them that is there is read (open_clip/constants.py)."""
CHECKPOINT_FILES = (
    "checkpoint.pt",
    "model.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    OPEN_CLIP_CONFIG,
    *OPEN_CLIP_WEIGHTS,
)
"""All that may decide what a checkpoint says of a sample."""


class ScoreSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A CLIP model that says how well image and text of each sample fit, for `use = "similarity"`
    and for `decontaminate.min_similarity`; without one of these nothing is scored."""

    checkpoint: str = ""
    """A folder: OUT/models/NAME of another run, or one in open_clip's format
    (open_clip_config.json, open_clip_model.safetensors or open_clip_pytorch_model.bin, and
    tokenizer.json or vocab.json with merges.txt)."""
    batch_size: Positive = 64
    """Pictures or texts at once; memory grows with it, scores change by float32's rounding."""


class TrainSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training run. Defaults are the CLIP paper's where the data's size does not matter."""

    model: str = "ViT-B-32"
    """A model in trainer/webpairs_trainer/model/models/, or the path of an open_clip model JSON."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU if torch sees one."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """What the towers compute in; weights, loss and optimiser are fp32 in any case. auto: bf16 on a
    GPU that has it, fp32 elsewhere."""
    compile: bool = False
    """Let torch.compile make programs of the blocks: faster on GPUs after a minute's start; losses
    change in their last digits. It needs a C++ compiler."""
    grad_checkpointing: bool = False
    """Compute activations twice and do not keep them: the same losses, a third more work, and
    batches several times larger fit in a GPU."""
    epochs: Annotated[float, Meta(gt=0)] = 1.0
    """Times that each sample is seen; halves are fine."""
    batch_size: Annotated[int, Meta(ge=2)] = 256
    lr: Annotated[float, Meta(gt=0)] = 5e-4
    """The highest learning rate, after the warm-up; it falls to 0 along a cosine."""
    warmup_steps: Annotated[int, Meta(ge=0)] = 100
    weight_decay: Annotated[float, Meta(ge=0)] = 0.2
    """Of matrices; gains, biases and the temperature are spared."""
    beta1: Annotated[float, Meta(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1)] = 0.98
    eps: Annotated[float, Meta(gt=0)] = 1e-6
    crop_scale: Annotated[float, Meta(gt=0, le=1)] = 0.9
    """Smallest share of the area of the image's largest square that a training crop covers."""
    threads: Annotated[int, Meta(ge=0)] = 0
    """Threads of torch; 0: as many as --workers."""
    checkpoint_every_s: Annotated[float, Meta(gt=0)] = 30.0


class EvalSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the trained model is judged on."""

    zeroshot: tuple[str, ...] = ()
    """Labelled images: a folder with one sub-folder per class, or with a labels.jsonl. {out} stands
    for the run's folder."""
    templates: str = "a photo of a {}."
    """One prompt with {} or {c} for the class name, or a file with one a line (an ensemble)."""
    batch_size: Positive = 256
