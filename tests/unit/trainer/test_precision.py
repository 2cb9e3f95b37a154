"""Other ways to compute the same training: other number types, activations computed twice."""

import math

import pytest
import torch

from tiny_models import TINY
from webpairs_core.errors import TrainError
from webpairs_trainer.data.batches import Batch
from webpairs_trainer.model.clip import CLIP, build_model, patches, patches_by_matrix
from webpairs_trainer.options import TrainSection
from webpairs_trainer.train.optimise import Learner, StepFigures, make_learner, training_step


def batch(seed: int = 0, n: int = 8) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 3, 16, 16), dtype=torch.uint8, generator=draw)
    tokens = torch.randint(0, 299, (n, 12), generator=draw)
    tokens[:, -1] = 299
    return Batch(pixels, tokens, 0, 0, 0)


def learner(**section: object) -> Learner:
    settings: dict[str, object] = {"lr": 1e-3, **section}
    return make_learner(build_model(TINY, 0), TrainSection(**settings))  # type: ignore[arg-type]


def learn(taught: Learner, n: int = 20) -> list[StepFigures]:
    return [training_step(taught, batch(i % 2), 1e-3).read() for i in range(n)]


def settled(precision: str) -> Learner:
    """A learner whose scale does not overflow at the first steps, as float16's does."""
    taught = learner(precision=precision)
    state = taught.scaler.state_dict()
    taught.scaler.load_state_dict(state and state | {"scale": 256.0})
    return taught


def weights(model: CLIP) -> dict[str, torch.Tensor]:
    return model.state_dict()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_types_learn_what_float32_learns(precision: str) -> None:
    exact, lowered = learn(learner(precision="fp32")), learn(settled(precision))
    assert exact[-1].loss < exact[0].loss - 0.5
    assert [row.loss for row in lowered] != [row.loss for row in exact]
    for mine, theirs in zip(lowered, exact, strict=True):
        assert mine.loss == pytest.approx(theirs.loss, abs=0.05)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_weights_features_and_loss_stay_float32(precision: str) -> None:
    taught = learner(precision=precision)
    seen: dict[str, torch.dtype] = {}

    def see(name: str) -> None:
        module = taught.model.get_submodule(name)
        module.register_forward_hook(lambda _m, _i, out: seen.update({name: out.dtype}))

    inner = ["transformer.resblocks.0", "transformer.resblocks.0.ln_1", "visual.transformer"]
    for name in inner:
        see(name)
    values = training_step(taught, batch(), 1e-3).values
    assert values.dtype == torch.float32
    assert {seen[name] for name in inner} == {taught.compute_type}
    assert {value.dtype for value in weights(taught.model).values()} == {torch.float32}
    with torch.autocast("cpu", taught.compute_type):
        assert taught.model.encode_image(batch().pixels).dtype == torch.float32
        assert taught.model.encode_text(batch().tokens).dtype == torch.float32


def test_auto_is_float32_without_a_gpu() -> None:
    assert learner().compute_type == torch.float32
    assert not learner().scaler.is_enabled()


def test_activations_that_are_computed_twice_change_nothing() -> None:
    kept, twice = learner(), learner(grad_checkpointing=True)
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    twice.model.visual.transformer.resblocks[0].register_forward_pre_hook(count)
    assert learn(kept, 4) == learn(twice, 4)
    assert calls == 8
    for name, value in weights(kept.model).items():
        assert torch.equal(value, weights(twice.model)[name])


def test_patches_are_one_product() -> None:
    conv = torch.nn.Conv2d(3, 20, 4, stride=4, bias=False)
    images = torch.randn(5, 3, 16, 16)
    torch.testing.assert_close(patches_by_matrix(images, conv), patches(images, conv))


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_no_number_is_told_when_it_is_read(broken: str) -> None:
    taught = learner()
    if broken == "loss":
        taught.model.logit_scale.data.fill_(math.nan)
    else:
        taught.model.logit_scale.register_hook(lambda grad: grad * math.inf)  # type: ignore[no-untyped-call]
    figures = training_step(taught, batch(), 1e-3)
    with pytest.raises(TrainError, match=r"lower train\.lr"):
        figures.read()


def test_float16_passes_over_a_step_that_overflows() -> None:
    taught = settled("fp16")
    before = {name: value.clone() for name, value in weights(taught.model).items()}
    hook = taught.model.logit_scale.register_hook(lambda grad: grad * math.inf)  # type: ignore[no-untyped-call]
    figures = training_step(taught, batch(), 1e-3).read()
    hook.remove()
    assert math.isinf(figures.grad_norm)
    for name, value in weights(taught.model).items():
        assert torch.equal(value, before[name])
    assert taught.scaler.get_scale() == 128
    assert math.isfinite(training_step(taught, batch(), 1e-3).read().grad_norm)
