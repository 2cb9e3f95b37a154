"""Checkpoints for tests: tiny models with random weights, in our format and in open_clip's."""

import json
from pathlib import Path
from typing import Any

import msgspec
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer

from tiny_models import TINY
from webpairs_trainer.checkpoints.ours import model_bytes
from webpairs_trainer.model.clip import CLIP, build_model
from webpairs_trainer.text.tokenizer import CaptionTokenizer

CAPTIONS = [f"a photo of {n} red kites over the old harbour" for n in range(40)]
FRAME = ["<|startoftext|>", "<|endoftext|>"]


def our_checkpoint(folder: Path, seed: int = 0) -> Path:
    """As `webpairs train` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = build_model(TINY, seed)
    (folder / "checkpoint.pt").write_bytes(model_bytes("tiny", 1, model))
    (folder / "model.json").write_bytes(msgspec.json.encode(TINY))
    tokens = CaptionTokenizer.train(CAPTIONS, TINY.text_cfg.vocab_size)
    (folder / "tokenizer.json").write_bytes(tokens.to_bytes())
    return folder


def clip_vocabulary(folder: Path) -> int:
    """vocab.json and merges.txt as CLIP has them, learned from a few captions; how many tokens."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=560, end_of_word_suffix="</w>", initial_alphabet=letters, show_progress=False
    )
    tokenizer.train_from_iterator(CAPTIONS, trainer)
    content = json.loads(tokenizer.to_str())["model"]
    whole = [*content["vocab"], *(f"{letter}</w>" for letter in letters)]
    vocab = {token: i for i, token in enumerate(dict.fromkeys([*whole, *FRAME]))}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    merges = [" ".join(pair) for pair in content["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    return len(vocab)


def open_clip_checkpoint(folder: Path, weights: str, **preprocess: Any) -> CLIP:
    """As open_clip saves one for Hugging Face; the model that is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.structs.replace(TINY.text_cfg, vocab_size=clip_vocabulary(folder))
    config = msgspec.structs.replace(TINY, text_cfg=text)
    model = build_model(config, 3)
    described = {"model_cfg": msgspec.to_builtins(config), "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    if weights.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file(model.state_dict(), folder / weights)
    else:
        torch.save(model.state_dict(), folder / weights)
    return model.eval()
