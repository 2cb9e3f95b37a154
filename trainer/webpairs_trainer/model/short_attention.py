"""Attention over few tokens as one kernel for GPUs: torch's own are made for long texts.

Where a whole head fits in one block, softmax needs no second pass, the way back needs nothing but
queries, keys and values, and all is read and written as it lies. On an H200 torch's kernels and the
copies around them were a sixth of a ViT-B/32's step, for 2 % of its arithmetic. The sums are those
of scaled_dot_product_attention: products in the input's type, softmax in float32.

This module needs Triton, which comes with torch for GPUs; `make_learner` imports it there.
"""

import torch
import triton  # type: ignore[import-not-found,unused-ignore]
import triton.language as tl  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor

MAX_TOKENS = 128
DEPTHS = (16, 32, 64, 128)
"""Widths of a head that the kernels can take."""
_WARPS = {16: 1, 32: 2, 64: 4, 128: 8}
_LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _rows(start, row_stride, n_tokens, block: tl.constexpr, depth: tl.constexpr):  # type: ignore[no-untyped-def]
    """(block, depth) of one head; zeros behind the last token."""
    rows = tl.arange(0, block)[:, None]
    places = rows * row_stride + tl.arange(0, depth)[None, :]
    return tl.load(start + places, mask=rows < n_tokens, other=0.0)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _put(start, row_stride, n_tokens, values, block: tl.constexpr, depth: tl.constexpr):  # type: ignore[no-untyped-def] # noqa: PLR0913
    """The way back of `_rows`."""
    rows = tl.arange(0, block)[:, None]
    places = rows * row_stride + tl.arange(0, depth)[None, :]
    tl.store(start + places, values.to(start.dtype.element_ty), mask=rows < n_tokens)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _shares(q, k, n_tokens, scale, is_causal: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def] # noqa: PLR0913
    """(block, block) float32: how much each query takes of each key."""
    queries, keys = tl.arange(0, block)[:, None], tl.arange(0, block)[None, :]
    is_seen = keys < n_tokens
    if is_causal:
        is_seen = is_seen & (keys <= queries)
    scores = tl.where(is_seen, tl.dot(q, tl.trans(k)) * (scale * _LOG2_E), float("-inf"))
    parts = tl.exp2(scores - tl.max(scores, 1)[:, None])
    return parts / tl.sum(parts, 1)[:, None]


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _forward(  # type: ignore[no-untyped-def] # noqa: PLR0913
    qkv,
    out,
    n_tokens,
    heads,
    scale,
    is_causal: tl.constexpr,
    block: tl.constexpr,
    depth: tl.constexpr,
):
    batch, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    width = heads * depth
    first = qkv + batch.to(tl.int64) * n_tokens * 3 * width + head * depth
    q = _rows(first, 3 * width, n_tokens, block, depth)
    k = _rows(first + width, 3 * width, n_tokens, block, depth)
    v = _rows(first + 2 * width, 3 * width, n_tokens, block, depth)
    shares = _shares(q, k, n_tokens, scale, is_causal, block)
    mixed = tl.dot(shares.to(v.dtype), v)
    target = out + batch.to(tl.int64) * n_tokens * width + head * depth
    _put(target, width, n_tokens, mixed, block, depth)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _backward(  # type: ignore[no-untyped-def] # noqa: PLR0913
    qkv,
    grad_out,
    grad_qkv,
    n_tokens,
    heads,
    scale,
    is_causal: tl.constexpr,
    block: tl.constexpr,
    depth: tl.constexpr,
):
    batch, head = tl.program_id(0) // heads, tl.program_id(0) % heads
    width = heads * depth
    place = batch.to(tl.int64) * n_tokens * 3 * width + head * depth
    first, target = qkv + place, grad_qkv + place
    q = _rows(first, 3 * width, n_tokens, block, depth)
    k = _rows(first + width, 3 * width, n_tokens, block, depth)
    v = _rows(first + 2 * width, 3 * width, n_tokens, block, depth)
    source = grad_out + batch.to(tl.int64) * n_tokens * width + head * depth
    grad = _rows(source, width, n_tokens, block, depth)
    shares = _shares(q, k, n_tokens, scale, is_causal, block)
    _put(
        target + 2 * width,
        3 * width,
        n_tokens,
        tl.dot(tl.trans(shares.to(grad.dtype)), grad),
        block,
        depth,
    )
    of_shares = tl.dot(grad, tl.trans(v))
    mean = tl.sum(shares * of_shares, 1)[:, None]
    of_scores = (shares * (of_shares - mean) * scale).to(q.dtype)
    _put(target, 3 * width, n_tokens, tl.dot(of_scores, k), block, depth)
    _put(target + width, 3 * width, n_tokens, tl.dot(tl.trans(of_scores), q), block, depth)


@torch.library.custom_op("webpairs::short_attention", mutates_args=())
def short_attention(qkv: Tensor, heads: int, is_causal: bool) -> Tensor:
    """(B, T, 3W) queries, keys and values, each by heads → (B, T, W)."""
    batch, n_tokens, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    qkv, depth, block = qkv.contiguous(), width // heads, _block(n_tokens)
    out = qkv.new_empty(batch, n_tokens, width)
    _forward[(batch * heads,)](
        qkv,
        out,
        n_tokens,
        heads,
        depth**-0.5,
        is_causal=is_causal,
        block=block,
        depth=depth,
        num_warps=_WARPS[block],
    )
    return out


@torch.library.custom_op("webpairs::short_attention_backward", mutates_args=())
def _short_attention_backward(qkv: Tensor, grad_out: Tensor, heads: int, is_causal: bool) -> Tensor:
    batch, n_tokens, width = grad_out.shape
    qkv, grad_out = qkv.contiguous(), grad_out.contiguous()
    depth, block = width // heads, _block(n_tokens)
    grad_qkv = torch.empty_like(qkv)
    _backward[(batch * heads,)](
        qkv,
        grad_out,
        grad_qkv,
        n_tokens,
        heads,
        depth**-0.5,
        is_causal=is_causal,
        block=block,
        depth=depth,
        num_warps=_WARPS[block],
    )
    return grad_qkv


@short_attention.register_fake
def _shape_forward(qkv: Tensor, heads: int, is_causal: bool) -> Tensor:  # noqa: ARG001
    return qkv.new_empty(qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3)


@_short_attention_backward.register_fake
def _shape_backward(qkv: Tensor, grad_out: Tensor, heads: int, is_causal: bool) -> Tensor:  # noqa: ARG001
    return qkv.new_empty(qkv.shape)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def] # noqa: ARG001
    qkv, ctx.heads, ctx.is_causal = inputs
    ctx.save_for_backward(qkv)


def _derive(ctx, grad_out):  # type: ignore[no-untyped-def]
    (qkv,) = ctx.saved_tensors
    made = torch.ops.webpairs.short_attention_backward(qkv, grad_out, ctx.heads, ctx.is_causal)
    return made, None, None


short_attention.register_autograd(_derive, setup_context=_keep)


def _block(n_tokens: int) -> int:
    return max(16, 1 << (n_tokens - 1).bit_length())
