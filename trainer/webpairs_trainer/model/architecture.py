"""What a model is built of: the schema of open_clip's model JSON, and where models are found.

The schema is open_clip's, so that one file describes the model here and there. One key is ours:
`vision_cfg.stem`, a small convolutional stem. It learns many times faster than plain patches when
images number in thousands; models without it load in open_clip as they are.
"""

import difflib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from webpairs_core.errors import RecipeError

MODELS = Path(__file__).parent / "models"
"""One JSON file for each model that a recipe may name."""

Positive = Annotated[int, Meta(ge=1)]


class VisionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The image tower."""

    image_size: Positive
    """Pixels; images are square."""
    layers: Positive
    width: Positive
    patch_size: Positive
    """Pixels that one token covers, the stem's strides included."""
    head_width: Positive = 64
    mlp_ratio: float = 4.0
    pool_type: Literal["tok", "avg"] = "tok"
    """Where the feature is read: at the class token, or as the mean of the others (quicker to learn
    where the data is small)."""
    stem: tuple[Positive, ...] = ()
    """Output channels of stride-2 convolutions before the patches; each halves the image. Ours."""


class TextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The text tower."""

    context_length: Annotated[int, Meta(ge=3)] = 77
    """Tokens, start and end included."""
    vocab_size: Positive = 49408
    width: Positive = 512
    heads: Positive = 8
    layers: Positive = 12
    mlp_ratio: float = 4.0


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A CLIP model: open_clip's model JSON."""

    embed_dim: Positive
    vision_cfg: VisionConfig
    text_cfg: TextConfig
    quick_gelu: bool = False
    """x · sigmoid(1.702 x) in place of GELU, as in OpenAI's weights. No weight shows which one a
    model was trained with, so it travels here."""


def load_config(name: str) -> ModelConfig:
    """The model called `name`, or the one that the JSON file at this path describes.

    Raises RecipeError when there is none, or when it cannot be built.
    """
    path = Path(name) if name.endswith(".json") else MODELS / f"{name}.json"
    try:
        config = msgspec.json.decode(path.read_bytes(), type=ModelConfig)
    except OSError:
        known = sorted(p.stem for p in MODELS.glob("*.json"))
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        raise RecipeError(f"train.model: no model is called {name!r}; {hint}") from None
    except msgspec.DecodeError as error:
        raise RecipeError(
            f"train.model: {path} is no model this trainer can build: {error}"
        ) from None
    check_config(config, path)
    return config


def check_config(config: ModelConfig, path: Path) -> None:
    """Raise RecipeError when sizes do not fit each other; `path` is where they stand."""
    vision, text = config.vision_cfg, config.text_cfg
    rules = {
        "vision_cfg.width must be a multiple of head_width": vision.width % vision.head_width,
        "vision_cfg.image_size must be a multiple of patch_size": vision.image_size
        % vision.patch_size,
        "vision_cfg.patch_size must be a multiple of 2 for each convolution of the stem": (
            vision.patch_size % 2 ** len(vision.stem)
        ),
        "text_cfg.width must be a multiple of heads": text.width % text.heads,
        "text_cfg.vocab_size must be 258 or more (256 bytes, start and end)": text.vocab_size < 258,
    }
    for rule, is_broken in rules.items():
        if is_broken:
            raise RecipeError(f"train.model: in {path} {rule}")
