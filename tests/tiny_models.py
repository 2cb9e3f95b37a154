"""A model that trains in a blink, and its JSON."""

from pathlib import Path

import msgspec

from webpairs_trainer.model.architecture import ModelConfig, TextConfig, VisionConfig

TINY = ModelConfig(
    embed_dim=16,
    vision_cfg=VisionConfig(image_size=16, layers=1, width=32, patch_size=4, head_width=16),
    text_cfg=TextConfig(context_length=64, vocab_size=300, width=32, heads=2, layers=1),
)


def write_config(folder: Path, config: ModelConfig = TINY) -> Path:
    """The config as a file that a recipe may name."""
    path = folder / "tiny.json"
    path.write_bytes(msgspec.json.encode(config))
    return path
