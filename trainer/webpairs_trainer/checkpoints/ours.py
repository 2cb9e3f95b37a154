"""Finished models: OUT/models/NAME.

The checkpoint is what open_clip's training writes (`epoch`, `name`, `state_dict`). It is loaded
with `weights_only=True`, so that a file from elsewhere cannot run code.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import msgspec
import torch

from webpairs_core.errors import TrainError
from webpairs_trainer.model.architecture import ModelConfig
from webpairs_trainer.model.clip import CLIP, build_model
from webpairs_trainer.text.tokenizer import CaptionTokenizer

MODEL_FILES = ("checkpoint.pt", "model.json", "tokenizer.json")
"""What it takes to use a finished model."""


def model_bytes(name: str, epoch: float, model: CLIP) -> bytes:
    """The content of a finished model's checkpoint.pt."""
    return to_bytes({"epoch": epoch, "name": name, "state_dict": model.state_dict()})


def load_model(folder: Path) -> tuple[CLIP, CaptionTokenizer, ModelConfig]:
    """The finished model of OUT/models/NAME, in evaluation mode.

    Raises TrainError when something is missing or does not fit together.
    """
    missing = [name for name in MODEL_FILES if not (folder / name).exists()]
    if missing:
        raise TrainError(f"{folder} has no {missing[0]}: run `webpairs train` first")
    config = msgspec.json.decode((folder / "model.json").read_bytes(), type=ModelConfig)
    tokenizer = CaptionTokenizer.load(folder / "tokenizer.json")
    model = build_model(config, seed=0)
    try:
        model.load_state_dict(read_tensors(folder / "checkpoint.pt")["state_dict"])
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise TrainError(
            f"{folder}/checkpoint.pt does not fit the model.json beside it ({first}): "
            "run `webpairs train --fresh`"
        ) from None
    return model.eval(), tokenizer, config


def to_bytes(state: dict[str, Any]) -> bytes:
    """What `torch.save` writes."""
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def read_tensors(path: Path) -> dict[str, Any]:
    """What `torch.save` wrote, on the CPU. Raises TrainError when it is cut or no such file."""
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        raise TrainError(
            f"{path} is no whole checkpoint: copy it again, or delete it and run `webpairs train`"
        ) from None
    return found
