"""The kernel against plain attention in float64; by Triton's interpreter where there is no GPU."""

import os

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
pytest.importorskip("triton", reason="Triton comes with torch for GPUs")
from webpairs_trainer.model.short_attention import short_attention

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SHAPES = [(2, 17, 2, 32), (1, 24, 3, 16), (1, 50, 2, 64), (1, 77, 1, 64), (1, 128, 1, 64)]


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(("batch", "tokens", "heads", "depth"), SHAPES)
def test_as_plain_attention(
    batch: int, tokens: int, heads: int, depth: int, is_causal: bool
) -> None:
    draw = torch.Generator().manual_seed(tokens)
    shape = (batch, tokens, 3 * heads * depth)
    qkv = torch.randn(shape, generator=draw).half().to(DEVICE).requires_grad_()
    out = short_attention(qkv, heads, is_causal)
    grad = torch.randn(out.shape, generator=draw).half().to(DEVICE)
    (found,) = torch.autograd.grad(out, qkv, grad)
    exact = qkv.detach().double().requires_grad_()
    q, k, v = exact.view(batch, tokens, 3, heads, depth).permute(2, 0, 3, 1, 4).unbind(0)
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=is_causal)
    wanted_out = mixed.transpose(1, 2).reshape(out.shape)
    (wanted,) = torch.autograd.grad(wanted_out, exact, grad.double())
    for mine, theirs in ((out, wanted_out), (found, wanted)):
        assert ((mine.double() - theirs).norm() / theirs.norm()).item() < 1e-3
