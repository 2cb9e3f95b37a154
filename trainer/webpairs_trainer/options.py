"""The recipe sections of the trainer: `[train]` and `[eval]`."""

from typing import Annotated

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]


class TrainSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training run. Defaults are the CLIP paper's where the size of the data does not matter."""

    model: str = "ViT-B-32"
    """The name of a model in trainer/webpairs_trainer/models/, or the path of an open_clip model JSON."""
    epochs: Annotated[float, Meta(gt=0)] = 1.0
    batch_size: Positive = 256
    lr: Annotated[float, Meta(gt=0)] = 5e-4
    warmup_steps: Annotated[int, Meta(ge=0)] = 100
    weight_decay: Annotated[float, Meta(ge=0)] = 0.2
    beta1: Annotated[float, Meta(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1)] = 0.98
    eps: Annotated[float, Meta(gt=0)] = 1e-6
    crop_scale: Annotated[float, Meta(gt=0, le=1)] = 0.9
    """Smallest share of the image's area in the random square crop."""
    threads: Annotated[int, Meta(ge=0)] = 0
    """Torch threads; 0: as many as --workers."""
    checkpoint_every_s: Annotated[float, Meta(gt=0)] = 30.0


class EvalSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the trained model is judged on."""

    zeroshot: tuple[str, ...] = ()
    """Labelled images: a folder with one sub-folder per class, or with a labels.jsonl."""
    templates: str = "a photo of a {}."
    """One prompt template with {} (or {c}) for the class name, or a file with one a line (an ensemble)."""
    batch_size: Positive = 256
