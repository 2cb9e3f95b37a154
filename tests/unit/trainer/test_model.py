"""The towers: names as open_clip's, exact truncation, gradients."""

import msgspec
import pytest
import torch
from torch import Tensor

from tiny_models import TINY
from webpairs_trainer.model.architecture import MODELS, ModelConfig, load_config
from webpairs_trainer.model.clip import CLIP, build_model
from webpairs_trainer.train.loss import clip_loss

BLOCK = (
    "ln_1.weight",
    "ln_1.bias",
    "attn.in_proj_weight",
    "attn.in_proj_bias",
    "attn.out_proj.weight",
    "attn.out_proj.bias",
    "ln_2.weight",
    "ln_2.bias",
    "mlp.c_fc.weight",
    "mlp.c_fc.bias",
    "mlp.c_proj.weight",
    "mlp.c_proj.bias",
)
# What open_clip 3.3.0 and OpenAI's own code call the parameters of a ViT CLIP.
OPEN_CLIP_NAMES = {
    "positional_embedding",
    "text_projection",
    "logit_scale",
    "token_embedding.weight",
    "ln_final.weight",
    "ln_final.bias",
    "visual.class_embedding",
    "visual.positional_embedding",
    "visual.proj",
    "visual.conv1.weight",
    "visual.ln_pre.weight",
    "visual.ln_pre.bias",
    "visual.ln_post.weight",
    "visual.ln_post.bias",
}


def open_clip_names(vision_layers: int, text_layers: int) -> set[str]:
    towers = {"visual.transformer": vision_layers, "transformer": text_layers}
    return OPEN_CLIP_NAMES | {
        f"{tower}.resblocks.{n}.{name}"
        for tower, layers in towers.items()
        for n in range(layers)
        for name in BLOCK
    }


def two_layers() -> ModelConfig:
    replace = msgspec.structs.replace
    return replace(TINY, vision_cfg=replace(TINY.vision_cfg, layers=2))


def random_batch(config: ModelConfig, n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    side = config.vision_cfg.image_size
    pixels = torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)
    tokens = torch.randint(0, 298, (n, 6), generator=generator)
    tokens[:, -1] = 299
    return pixels, tokens


def test_names_are_open_clips() -> None:
    assert set(build_model(two_layers(), 0).state_dict()) == open_clip_names(2, 1)


def test_shapes_of_vit_b_32() -> None:
    with torch.device("meta"):
        model = CLIP(load_config("ViT-B-32"))
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert set(shapes) == open_clip_names(12, 12)
    assert shapes["visual.conv1.weight"] == (768, 3, 32, 32)
    assert shapes["visual.positional_embedding"] == (50, 768)
    assert shapes["visual.proj"] == (768, 512)
    assert shapes["transformer.resblocks.11.attn.in_proj_weight"] == (1536, 512)
    assert shapes["text_projection"] == (512, 512)
    assert shapes["logit_scale"] == ()
    # The number that the CLIP paper's ViT-B/32 has.
    assert sum(p.numel() for p in model.parameters()) == 151_277_313


@pytest.mark.parametrize("name", sorted(path.stem for path in MODELS.glob("*.json")))
def test_every_named_model_can_be_built(name: str) -> None:
    with torch.device("meta"):
        CLIP(load_config(name))


def test_a_stem_adds_names_only_below_itself() -> None:
    config = msgspec.structs.replace(
        TINY, vision_cfg=msgspec.structs.replace(TINY.vision_cfg, stem=(8,))
    )
    model = build_model(config, 0)
    assert {n for n in model.state_dict() if not n.startswith("visual.stem.")} == open_clip_names(
        1, 1
    )
    pixels, _ = random_batch(config, 2)
    assert model.encode_image(pixels).shape == (2, 16)


def test_padding_changes_nothing() -> None:
    model = build_model(TINY, 0).double()
    _, tokens = random_batch(TINY, 4)
    padded = torch.nn.functional.pad(tokens, (0, 24 - tokens.shape[1]))
    torch.testing.assert_close(model.encode_text(tokens), model.encode_text(padded))


def test_what_stands_after_the_end_token_changes_nothing() -> None:
    model = build_model(TINY, 0).double()
    _, tokens = random_batch(TINY, 2)
    after = torch.cat([tokens, torch.full((2, 3), 7)], dim=1)
    torch.testing.assert_close(model.encode_text(tokens), model.encode_text(after))


def test_features_have_length_one() -> None:
    model = build_model(TINY, 0)
    pixels, tokens = random_batch(TINY, 3)
    for features in (model.encode_image(pixels), model.encode_text(tokens)):
        torch.testing.assert_close(features.norm(dim=-1), torch.ones(3))


def test_pooling_reads_the_class_token_or_the_mean_of_the_others() -> None:
    replace = msgspec.structs.replace
    pixels, _ = random_batch(TINY, 2)
    made = {}
    for pool in ("tok", "avg"):
        config = replace(TINY, vision_cfg=replace(TINY.vision_cfg, pool_type=pool))
        made[pool] = build_model(config, 0).encode_image(pixels)
    assert not torch.allclose(made["tok"], made["avg"])


def test_weights_depend_on_the_seed_alone() -> None:
    first = build_model(TINY, 5).state_dict()
    torch.manual_seed(99)
    again = build_model(TINY, 5).state_dict()
    other = build_model(TINY, 6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["visual.proj"], other["visual.proj"])


def test_building_a_model_leaves_the_callers_random_state() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build_model(TINY, 5)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "name",
    [
        "logit_scale",
        "text_projection",
        "visual.class_embedding",
        "visual.transformer.resblocks.0.attn.in_proj_bias",
        "transformer.resblocks.0.mlp.c_fc.bias",
        "positional_embedding",
    ],
)
def test_gradients_through_the_whole_model(name: str) -> None:
    model = build_model(TINY, 0).double()
    pixels, tokens = random_batch(TINY, 3)
    parameter = dict(model.named_parameters())[name]

    def loss() -> Tensor:
        images, texts = model.encode_image(pixels), model.encode_text(tokens)
        return clip_loss(images, texts, model.logit_scale)[0]

    loss().backward()  # type: ignore[no-untyped-call]
    assert parameter.grad is not None
    flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
    index = int(gradient.abs().argmax())
    step = 1e-6
    before = flat[index].item()
    values = []
    for moved in (before + step, before - step):
        flat[index] = moved
        with torch.no_grad():
            values.append(loss().item())
    assert gradient[index].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)
