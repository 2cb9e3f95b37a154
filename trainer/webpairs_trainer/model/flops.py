"""What a sample costs in arithmetic: the number that speed is held against.

Counted are matrix products and convolutions, a multiplication and an addition as two operations;
norms, activations, embeddings and the optimiser are not. Causal attention counts in full, though
half of it is masked: that is the convention of published figures (ViT-B/32 at 77 tokens: 14.8 GFLOP
forward).
"""

from webpairs_trainer.model.architecture import ModelConfig, VisionConfig

TRAINED = 3
"""A training step is three forward passes: the way back has two products for each one."""


def forward_flop(config: ModelConfig, n_tokens: int) -> int:
    """Operations for one image and one text of `n_tokens`, padding included."""
    return _image_flop(config) + _text_flop(config, n_tokens)


def _image_flop(config: ModelConfig) -> int:
    vision = config.vision_cfg
    n_patches = pow(vision.image_size // vision.patch_size, 2)
    tower = _tower_flop(n_patches + 1, vision.width, vision.layers, vision.mlp_ratio)
    return _patches_flop(vision, n_patches) + tower + 2 * vision.width * config.embed_dim


def _text_flop(config: ModelConfig, n_tokens: int) -> int:
    text = config.text_cfg
    tower = _tower_flop(n_tokens, text.width, text.layers, text.mlp_ratio)
    return tower + 2 * text.width * config.embed_dim


def _tower_flop(n_tokens: int, width: int, layers: int, mlp_ratio: float) -> int:
    hidden = int(width * mlp_ratio)
    products = 2 * n_tokens * (4 * width * width + 2 * width * hidden)
    attention = 4 * n_tokens * n_tokens * width
    return layers * (products + attention)


def _patches_flop(vision: VisionConfig, n_patches: int) -> int:
    flop, before, side = 0, 3, vision.image_size
    for after in vision.stem:
        side = (side + 1) // 2  # 3 × 3, padded by one, stride 2
        flop += 2 * side * side * 9 * before * after
        before = after
    kernel = vision.patch_size >> len(vision.stem)
    return flop + 2 * n_patches * kernel * kernel * before * vision.width
