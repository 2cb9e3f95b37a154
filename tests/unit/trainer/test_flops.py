"""The count of operations, against torch's own counter and the published figure."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tiny_models import TINY
from webpairs_trainer.model.architecture import ModelConfig, TextConfig, VisionConfig, load_config
from webpairs_trainer.model.clip import build_model
from webpairs_trainer.model.flops import forward_flop

WIDE = ModelConfig(
    embed_dim=24,
    vision_cfg=VisionConfig(
        image_size=32, layers=3, width=64, patch_size=8, head_width=32, mlp_ratio=3, stem=(8, 16)
    ),
    text_cfg=TextConfig(context_length=20, vocab_size=300, width=48, heads=4, layers=2),
)


@pytest.mark.parametrize("config", [TINY, WIDE], ids=["tiny", "stem"])
@pytest.mark.parametrize("n_tokens", [5, 20])
def test_as_torch_counts(config: ModelConfig, n_tokens: int) -> None:
    side, n = config.vision_cfg.image_size, 3
    model = build_model(config, 0)
    # torch counts CPU attention only where it is made of plain products.
    plain = sdpa_kernel(SDPBackend.MATH)
    with plain, FlopCounterMode(display=False) as counter, torch.no_grad():
        model.encode_image(torch.zeros(n, 3, side, side, dtype=torch.uint8))
        model.encode_text(torch.full((n, n_tokens), 7))
    assert n * forward_flop(config, n_tokens) == counter.get_total_flops()


def test_the_published_figure() -> None:
    config = load_config("ViT-B-32")
    assert forward_flop(config, 77) / 1e9 == pytest.approx(14.78, abs=0.01)
    assert 3 * forward_flop(config, 24) / 1e9 == pytest.approx(32, abs=1)
