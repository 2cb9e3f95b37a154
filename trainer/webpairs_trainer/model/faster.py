"""The same model by other programs: what a GPU computes sooner, to the rounding of its types."""

import torch

from webpairs_trainer.model.clip import CLIP, Block, Transformer


def compile_parts(model: CLIP) -> None:
    """Let torch.compile make programs of what stands before the blocks and of each block. All
    blocks of a tower share one program, which is made in seconds; whole towers are 1 % faster and
    take minutes."""
    model.embed_pixels = torch.compile(model.embed_pixels)
    for tower in (model.visual.transformer, model.transformer):
        for block in _blocks(tower):
            block.compile()


def fuse_attention(tower: Transformer) -> None:
    """Let a tower use the kernels of short_attention.py where its texts are short enough. Needs a
    GPU and Triton."""
    from webpairs_trainer.model.short_attention import DEPTHS, MAX_TOKENS

    for block in _blocks(tower):
        depth = block.attn.out_proj.in_features // block.attn.heads
        block.attn.n_fused = MAX_TOKENS if depth in DEPTHS else 0


def _blocks(tower: Transformer) -> list[Block]:
    return [block for block in tower.resblocks if isinstance(block, Block)]
