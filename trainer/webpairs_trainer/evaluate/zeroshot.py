"""Zero-shot classification: each image takes the class whose sentence lies nearest.

A class is the mean of the unit features of its sentences, scaled to unit length: the ensemble over
templates in feature space (Radford et al. 2021, section 3.1.4).
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from webpairs_core.errors import TrainError
from webpairs_trainer.data.transforms import DAMAGED, Pixels, centre_square, decode
from webpairs_trainer.evaluate.labelled import LabelledSet
from webpairs_trainer.evaluate.prompts import fill
from webpairs_trainer.model.architecture import ModelConfig
from webpairs_trainer.model.clip import CLIP
from webpairs_trainer.text.tokenizer import CaptionTokenizer, pad

_Z_95 = 1.959964
"""The 97.5 % point of the normal distribution."""


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """A model with all that it takes to ask it."""

    model: CLIP
    tokenizer: CaptionTokenizer
    config: ModelConfig
    batch_size: int


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """The result on one labelled set. Shares are 0..1."""

    name: str
    n: int
    """Images judged."""
    n_classes: int
    n_damaged: int
    """Images that could not be decoded; not among `n`."""
    top1: float
    top5: float
    mean_per_class: float
    """Top-1 averaged over the classes that have images."""
    chance: float
    """Top-1 of guessing."""
    ci95: tuple[float, float]
    """Wilson interval of top1."""
    templates: tuple[str, ...]


def zero_shot(judge: Judge, labelled: LabelledSet, templates: Sequence[str]) -> Score:
    """Judge a model on a labelled set. Raises TrainError when none of its images can be decoded."""
    classes = class_features(judge, labelled.classes, templates)
    n_guesses = min(5, len(labelled.classes))
    hits: list[Tensor] = []
    labels: list[Tensor] = []
    for pixels, own in _batches(judge, labelled):
        with torch.inference_mode():
            similarity = judge.model.encode_image(pixels) @ classes.T  # (B, classes)
        hits.append(similarity.topk(n_guesses).indices == own[:, None])
        labels.append(own)
    if not hits:
        raise TrainError(
            f"none of the {len(labelled.images):,} images of {labelled.name} can be decoded"
        )
    hit, label = torch.cat(hits).double(), torch.cat(labels)
    first = hit[:, 0]
    per_class = [first[label == i].mean().item() for i in sorted(set(label.tolist()))]
    return Score(
        name=labelled.name,
        n=len(label),
        n_classes=len(labelled.classes),
        n_damaged=len(labelled.images) - len(label),
        top1=first.mean().item(),
        top5=hit.sum(1).mean().item(),
        mean_per_class=sum(per_class) / len(per_class),
        chance=1 / len(labelled.classes),
        ci95=wilson(int(first.sum().item()), len(label)),
        templates=tuple(templates),
    )


def class_features(judge: Judge, classes: Sequence[str], templates: Sequence[str]) -> Tensor:
    """(classes, E) of length 1."""
    context_length = judge.config.text_cfg.context_length
    rows = []
    for name in classes:
        sentences = fill(templates, name)
        tokens = pad([judge.tokenizer.encode(s, context_length) for s in sentences])
        with torch.inference_mode():
            rows.append(judge.model.encode_text(tokens).mean(0))
    return F.normalize(torch.stack(rows), dim=-1)


def wilson(n_hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): right also near 0 and 1."""
    share, z2 = n_hits / n, _Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _batches(judge: Judge, labelled: LabelledSet) -> Iterator[tuple[Tensor, Tensor]]:
    """((B, 3, S, S) uint8, (B,) numbers of classes) of the images that can be decoded."""
    side = judge.config.vision_cfg.image_size
    pairs = list(zip(labelled.images, labelled.labels, strict=True))
    for start in range(0, len(pairs), judge.batch_size):
        sound = [
            (pixels, label)
            for path, label in pairs[start : start + judge.batch_size]
            if (pixels := _read(path, side)) is not None
        ]
        if sound:
            stacked = torch.from_numpy(np.stack([pixels for pixels, _ in sound]))
            yield stacked.permute(0, 3, 1, 2), torch.tensor([label for _, label in sound])


def _read(path: Path, side: int) -> Pixels | None:
    try:
        return centre_square(decode(path.read_bytes()), side)
    except DAMAGED:
        return None
