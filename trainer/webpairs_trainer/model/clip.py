"""CLIP: an image tower and a text tower that meet in one space (Radford et al. 2021, section 2.4).

Parameter names and shapes are those of OpenAI's and open_clip's state dicts, so checkpoints load
there without a converter. Hence the 4-D `conv1.weight`, the fused `in_proj_weight`, and positional
embeddings that are plain parameters.

Shapes: B batch, T tokens, W width, E embed_dim, S image side.
"""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention
from torch.utils.checkpoint import checkpoint

from webpairs_trainer.model.architecture import ModelConfig, TextConfig, VisionConfig

# Channel means and deviations of OpenAI's training images, RGB in 0..1 (openai/CLIP, clip/clip.py).
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
# The paper's start and ceiling of the temperature (section 2.5): 0.07, and logits scaled by 100.
LOGIT_SCALE_START = math.log(1 / 0.07)
LOGIT_SCALE_MAX = math.log(100)


class LayerNorm(nn.LayerNorm):
    """A norm in float32, whose result has the input's type: autocast would hand on float32, and all
    that follows would move twice the bytes."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same out."""
        return super().forward(x).to(x.dtype)


class QuickGELU(nn.Module):
    """OpenAI's cheaper GELU."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same out."""
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Multi-head self-attention with the parameter names of nn.MultiheadAttention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.n_fused = 0
        """Up to so many tokens the kernel of short_attention.py is used: `make_learner`'s word."""

    def forward(self, x: Tensor, is_causal: bool) -> Tensor:
        """(B, T, W) → (B, T, W)."""
        batch, tokens, width = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        if tokens <= self.n_fused:
            mixed = torch.ops.webpairs.short_attention(qkv, self.heads, is_causal)
            return cast("Tensor", self.out_proj(mixed))
        # (B, T, 3W) → 3 of (B, heads, T, W / heads)
        q, k, v = qkv.view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=is_causal)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class MLP(nn.Module):
    """The feed-forward half of a block."""

    def __init__(self, width: int, mlp_ratio: float, activation: nn.Module) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, int(width * mlp_ratio))
        self.gelu = activation
        self.c_proj = nn.Linear(int(width * mlp_ratio), width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) → (B, T, W)."""
        out: Tensor = self.c_proj(self.gelu(self.c_fc(x)))
        return out


class Block(nn.Module):
    """One pre-norm residual block."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, activation: nn.Module) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = LayerNorm(width)
        self.mlp = MLP(width, mlp_ratio, activation)

    def forward(self, x: Tensor, is_causal: bool) -> Tensor:
        """(B, T, W) → (B, T, W)."""
        x = x + self.attn(self.ln_1(x), is_causal)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Transformer(nn.Module):
    """A stack of blocks, initialised as OpenAI's text tower (GPT-2's rule for residual paths)."""

    def __init__(self, width: int, n_layers: int, make_block: Callable[[], Block]) -> None:
        super().__init__()
        blocks = [make_block() for _ in range(n_layers)]
        residual_std = width**-0.5 * (2 * n_layers) ** -0.5
        for block in blocks:
            nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=residual_std)
            nn.init.zeros_(block.attn.out_proj.bias)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=residual_std)
        self.resblocks = nn.ModuleList(blocks)
        self.is_recomputed = False
        """Keep only what enters each block and compute the rest again on the way back: the same
        gradients for a third more work and a fraction of the memory."""

    def forward(self, x: Tensor, is_causal: bool = False) -> Tensor:
        """(B, T, W) → (B, T, W)."""
        for block in self.resblocks:
            if self.is_recomputed and torch.is_grad_enabled():
                x = checkpoint(block, x, is_causal, use_reentrant=False, preserve_rng_state=False)
            else:
                x = block(x, is_causal)
        return x


class VisionTower(nn.Module):
    """A Vision Transformer (Dosovitskiy et al. 2020) with CLIP's extra norm before the blocks."""

    def __init__(self, config: VisionConfig, embed_dim: int, activation: type[nn.Module]) -> None:
        super().__init__()
        width = config.width
        grid = config.image_size // config.patch_size
        if config.stem:
            self.stem = _stem(config.stem)
        kernel = config.patch_size // 2 ** len(config.stem)
        channels = config.stem[-1] if config.stem else 3
        self.has_stem = bool(config.stem)
        self.pool_type = config.pool_type
        self.conv1 = nn.Conv2d(channels, width, kernel, stride=kernel, bias=False)
        scale = width**-0.5
        self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(grid**2 + 1, width))
        self.ln_pre = LayerNorm(width)
        heads = width // config.head_width
        self.transformer = Transformer(
            width, config.layers, lambda: Block(width, heads, config.mlp_ratio, activation())
        )
        self.ln_post = LayerNorm(width)
        self.proj = nn.Parameter(scale * torch.randn(width, embed_dim))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S), normalised → (B, E)."""
        return self.read(self.transformer(self.embed(images)))

    def read(self, x: Tensor) -> Tensor:
        """(B, 1 + grid², W) behind the blocks → (B, E)."""
        x = self.ln_post(x)
        pooled: Tensor = x[:, 0] if self.pool_type == "tok" else x[:, 1:].mean(1)
        return pooled @ self.proj

    def embed(self, images: Tensor) -> Tensor:
        """(B, 3, S, S), normalised → (B, 1 + grid², W): the class token and the patches."""
        x = self.stem(images) if self.has_stem else images
        # A convolution whose patches do not overlap is one matrix product, and GPUs are far better
        # at those. On CPUs it stays a convolution: results there are to stay what they were.
        x = patches_by_matrix(x, self.conv1) if x.is_cuda else patches(x, self.conv1)
        first = self.class_embedding.expand(len(x), 1, -1)
        x = _lowered(torch.cat([first, x], dim=1) + self.positional_embedding)
        made: Tensor = self.ln_pre(x)
        return made


class CLIP(nn.Module):
    """Both towers and the learned temperature. Weights depend on torch's seed alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        activation = QuickGELU if config.quick_gelu else nn.GELU
        self.visual = VisionTower(config.vision_cfg, config.embed_dim, activation)
        text: TextConfig = config.text_cfg
        self.transformer = Transformer(
            text.width,
            text.layers,
            lambda: Block(text.width, text.heads, text.mlp_ratio, activation()),
        )
        self.token_embedding = nn.Embedding(text.vocab_size, text.width)
        self.positional_embedding = nn.Parameter(
            0.01 * torch.randn(text.context_length, text.width)
        )
        self.ln_final = LayerNorm(text.width)
        self.text_projection = nn.Parameter(
            text.width**-0.5 * torch.randn(text.width, config.embed_dim)
        )
        self.logit_scale = nn.Parameter(torch.tensor(LOGIT_SCALE_START))
        self.embed_pixels = self._embed_pixels
        """What stands before the image tower's blocks; `make_learner` may put a compiled one
        here."""
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD).view(3, 1, 1), persistent=False)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 → (B, E) of length 1."""
        x = self.visual.transformer(self.embed_pixels(pixels))
        return F.normalize(_raised(self.visual.read(x)), dim=-1)

    def _embed_pixels(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 → (B, 1 + grid², W)."""
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        return self.visual.embed((pixels.to(mean.dtype) / 255 - mean) / std)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(B, T) token numbers, padded with 0 behind the end token → (B, E) of length 1.

        T may be anything up to context_length: attention is causal and the feature is read at the
        end token, so padding changes nothing and batches are cut at their longest caption.
        """
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        x = _lowered(x)
        x = self.ln_final(self.transformer(x, is_causal=True))
        # The end token has the highest number of the vocabulary, so argmax finds it.
        x = x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]
        return F.normalize(_raised(x @ self.text_projection), dim=-1)


def build_model(config: ModelConfig, seed: int) -> CLIP:
    """A new model whose weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CLIP(config)


def patches(images: Tensor, conv: nn.Conv2d) -> Tensor:
    """(B, C, S, S) → (B, grid², W)."""
    made: Tensor = conv(images)
    return made.flatten(2).transpose(1, 2)


def patches_by_matrix(images: Tensor, conv: nn.Conv2d) -> Tensor:
    """The same up to rounding, where the kernel is as wide as the stride."""
    batch, channels, side, _ = images.shape
    patch = conv.kernel_size[0]
    grid = side // patch
    cut = images.view(batch, channels, grid, patch, grid, patch).permute(0, 2, 4, 1, 3, 5)
    return F.linear(cut.reshape(batch, grid * grid, -1), conv.weight.flatten(1))


def _lowered(x: Tensor) -> Tensor:
    """`x` in the type that autocast computes in, where it is on. What flows from block to block
    would stay float32 otherwise, at twice the bytes."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def _raised(x: Tensor) -> Tensor:
    """`x` in float32 where it is in less: lengths and the loss are computed there."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _stem(channels: tuple[int, ...]) -> nn.Sequential:
    """Stride-2 3 × 3 convolutions, each with group norm (its own statistics per image, so that a
    batch's make-up changes nothing) and GELU."""
    layers: list[nn.Module] = []
    before = 3
    for after in channels:
        layers += [
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(1, after),
            nn.GELU(),
        ]
        before = after
    return nn.Sequential(*layers)
