"""The contrastive loss: each image of the batch must find its text among all texts, and back."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention


def clip_loss(images: Tensor, texts: Tensor, logit_scale: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric cross-entropy of Radford et al. 2021, figure 3, and the accuracy in the batch.

    `images` and `texts` are (B, E) of length 1, `logit_scale` the logarithm of 1 / temperature.
    Loss in nats (ln B when nothing is learned); accuracy = mean of both directions, 0..1.
    """
    logits = logit_scale.exp() * images @ texts.T  # (B, B): row i = image i against all texts
    own = torch.arange(len(logits), device=logits.device)
    loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
    with torch.no_grad():
        hits = (logits.argmax(1) == own).float() + (logits.argmax(0) == own).float()
    return loss, hits.mean() / 2
