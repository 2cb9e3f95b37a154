"""The loss against a reference that a reader can check by eye, and its gradients."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from webpairs_trainer.train.loss import clip_loss


def reference(images: np.ndarray, texts: np.ndarray, scale: float) -> float:
    """Radford et al. 2021, figure 3, in plain loops."""
    n, total = len(images), 0.0
    for i in range(n):
        to_texts = [scale * float(images[i] @ texts[j]) for j in range(n)]
        to_images = [scale * float(texts[i] @ images[j]) for j in range(n)]
        for row in (to_texts, to_images):
            total -= row[i] - math.log(sum(math.exp(value) for value in row))
    return total / (2 * n)


def features(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, 8, dtype=torch.float64, generator=generator), dim=-1)


def test_equals_the_reference() -> None:
    images, texts = features(7, 1), features(7, 2)
    loss, _ = clip_loss(images, texts, torch.tensor(math.log(9.5), dtype=torch.float64))
    assert loss.item() == pytest.approx(reference(images.numpy(), texts.numpy(), 9.5), rel=1e-12)


def test_nothing_learned_costs_ln_of_the_batch() -> None:
    same = torch.ones(16, 4) / 2
    loss, _ = clip_loss(same, same, torch.tensor(2.0))
    assert loss.item() == pytest.approx(math.log(16))


def test_accuracy_is_the_mean_of_both_directions() -> None:
    images = torch.eye(4)
    # Text 1 lies where image 0 is: image 0 ties to text 0 first, texts 0 and 1 both say image 0.
    texts = torch.eye(4)[[0, 0, 2, 3]]
    _, accuracy = clip_loss(images, texts, torch.tensor(0.0))
    assert accuracy.item() == pytest.approx((3 / 4 + 3 / 4) / 2, abs=1 / 8)
    assert clip_loss(images, images, torch.tensor(0.0))[1].item() == 1.0


def test_gradients() -> None:
    images = features(5, 3).requires_grad_()
    texts = features(5, 4).requires_grad_()
    scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, t, s: clip_loss(i, t, s)[0], (images, texts, scale))
