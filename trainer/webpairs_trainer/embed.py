"""Pictures and texts → unit vectors, by a checkpoint of ours or in open_clip's format.

Ours is OUT/models/NAME. open_clip's is what its `save_for_hf` and Hugging Face repositories hold:
open_clip_config.json (the model and how pictures are prepared), the weights, and the tokenizer's
files. A vector depends on its picture or text alone, not on what it shares a batch with, up to the
rounding of float32.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from webpairs_core.errors import RecipeError, TrainError
from webpairs_trainer.checkpoints.ours import load_model, read_tensors
from webpairs_trainer.data.transforms import DAMAGED, Pixels, centre_square, decode
from webpairs_trainer.model.architecture import ModelConfig, check_config
from webpairs_trainer.model.clip import CLIP, PIXEL_MEAN, PIXEL_STD, build_model
from webpairs_trainer.options import OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS
from webpairs_trainer.text.clip_tokenizer import ClipTokenizer
from webpairs_trainer.text.tokenizer import CaptionTokenizer, pad

Vectors = npt.NDArray[np.float32]
Channels = tuple[float, float, float]


class Preprocessing(msgspec.Struct, frozen=True):
    """open_clip's `preprocess_cfg` (open_clip/transform.py, PreprocessCfg), as far as it is built
    here; its size is the model's."""

    mean: Channels = PIXEL_MEAN
    std: Channels = PIXEL_STD
    interpolation: Literal["bicubic"] = "bicubic"
    resize_mode: Literal["shortest"] = "shortest"
    """The shorter side is scaled to the model's, the middle is kept."""


class _Config(msgspec.Struct, frozen=True):
    model_cfg: ModelConfig
    preprocess_cfg: Preprocessing = Preprocessing()


class Embedder(msgspec.Struct, frozen=True):
    """A model with its tokenizer, on the CPU."""

    model: CLIP
    tokenizer: CaptionTokenizer
    config: ModelConfig
    batch_size: int

    def pictures(self, encoded: Sequence[bytes]) -> Vectors:
        """(n, E) of length 1; NaN for a picture that cannot be decoded."""
        side = self.config.vision_cfg.image_size
        blocks = [np.empty((0, self.config.embed_dim), np.float32)]
        for start in range(0, len(encoded), self.batch_size):
            some = encoded[start : start + self.batch_size]
            read = ((i, _pixels(data, side)) for i, data in enumerate(some))
            sound = {i: pixels for i, pixels in read if pixels is not None}
            vectors = np.full((len(some), self.config.embed_dim), np.nan, np.float32)
            if sound:
                stacked = np.stack(list(sound.values()))
                batch = torch.from_numpy(stacked).permute(0, 3, 1, 2)
                vectors[list(sound)] = _run(self.model.encode_image, batch)
            blocks.append(vectors)
        return np.concatenate(blocks)

    def texts(self, texts: Sequence[str]) -> Vectors:
        """(n, E) of length 1. Long texts are cut as in training."""
        length = self.config.text_cfg.context_length
        rows = [self.tokenizer.encode(text, length) for text in texts]
        # Shortest first: a batch is as long as its longest text.
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        vectors = np.empty((len(rows), self.config.embed_dim), np.float32)
        for start in range(0, len(order), self.batch_size):
            some = order[start : start + self.batch_size]
            vectors[some] = _run(self.model.encode_text, pad([rows[i] for i in some]))
        return vectors


def load_embedder(folder: Path, batch_size: int) -> Embedder:
    """The model in a folder.

    Raises TrainError when something is missing, does not fit together, or is of a kind that cannot
    be built here.
    """
    if not (folder / OPEN_CLIP_CONFIG).exists():
        model, tokenizer, config = load_model(folder)
        return Embedder(model, tokenizer, config, batch_size)
    found = _read_config(folder / OPEN_CLIP_CONFIG)
    clip_tokenizer = ClipTokenizer.load(folder)
    n_tokens = found.model_cfg.text_cfg.vocab_size
    if clip_tokenizer.vocab_size != n_tokens:
        raise TrainError(
            f"the tokenizer in {folder} has {clip_tokenizer.vocab_size:,} tokens where the model "
            f"has {n_tokens:,}: copy the one that belongs to it"
        )
    model = build_model(found.model_cfg, seed=0)
    _load_weights(model, folder)
    for name in ("mean", "std"):
        values = torch.tensor(getattr(found.preprocess_cfg, name))
        model.get_buffer(name).copy_(values.view(3, 1, 1))
    return Embedder(model.eval(), clip_tokenizer, found.model_cfg, batch_size)


def _read_config(path: Path) -> _Config:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Config)
        check_config(found.model_cfg, path)
    except (msgspec.DecodeError, RecipeError) as error:
        raise TrainError(f"{path} is of no model that webpairs can build: {error}") from None
    return found


def _load_weights(model: CLIP, folder: Path) -> None:
    paths = [folder / name for name in OPEN_CLIP_WEIGHTS if (folder / name).exists()]
    if not paths:
        raise TrainError(f"{folder} has no weights: copy {' or '.join(OPEN_CLIP_WEIGHTS)} there")
    path = paths[0]
    tensors: dict[str, Any] = (
        _safe_tensors(path) if path.suffix == ".safetensors" else read_tensors(path)
    )
    state: dict[str, Tensor] = tensors.get("state_dict", tensors)
    try:
        # open_clip's distributed training puts `module.` before each name.
        model.load_state_dict({name.removeprefix("module."): t for name, t in state.items()})
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise TrainError(
            f"{path} does not fit the {OPEN_CLIP_CONFIG} beside it ({first}): copy both again from "
            "one place"
        ) from None


def _safe_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise TrainError(f"{path} is no whole checkpoint ({error}): copy it again") from None
    return found


def _pixels(data: bytes, side: int) -> Pixels | None:
    try:
        return centre_square(decode(data), side)
    except DAMAGED:
        return None


def _run(encode: Callable[[Tensor], Tensor], batch: Tensor) -> Vectors:
    with torch.inference_mode():
        found: Vectors = encode(batch).float().numpy()
    return found
