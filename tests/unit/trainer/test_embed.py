"""Embeddings by checkpoints of ours and in open_clip's format."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from embed_fixture import CAPTIONS, clip_vocabulary, open_clip_checkpoint, our_checkpoint
from image_files import saved
from webpairs_core.errors import TrainError
from webpairs_trainer.checkpoints.ours import load_model
from webpairs_trainer.embed import load_embedder
from webpairs_trainer.text.clip_tokenizer import ClipTokenizer

TEXTS = ["a red kite", *CAPTIONS[:6], "", "부엌 창가에 앉은 고양이", "harbour " * 200]


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return saved(Image.fromarray(values), "PNG")


def test_ours_gives_what_its_model_gives_one_by_one(tmp_path: Path) -> None:
    embedder = load_embedder(our_checkpoint(tmp_path), 4)
    model, tokenizer, config = load_model(tmp_path)
    length = config.text_cfg.context_length
    found = embedder.texts(TEXTS)
    assert found.shape == (len(TEXTS), config.embed_dim)
    for vector, text in zip(found, TEXTS, strict=True):
        with torch.inference_mode():
            (alone,) = model.encode_text(torch.tensor([tokenizer.encode(text, length)])).numpy()
        assert np.abs(vector - alone).max() < 1e-6
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_a_vector_depends_on_nothing_beside_it(tmp_path: Path, batch_size: int) -> None:
    pictures = [picture(seed) for seed in range(7)]
    wanted = load_embedder(our_checkpoint(tmp_path), 7)
    embedder = load_embedder(tmp_path, batch_size)
    for ours, whole in (
        (embedder.pictures(pictures), wanted.pictures(pictures)),
        (embedder.pictures(pictures[::-1])[::-1], wanted.pictures(pictures)),
        (embedder.texts(TEXTS[::-1])[::-1], wanted.texts(TEXTS)),
    ):
        assert np.abs(ours - whole).max() < 1e-6


def test_a_damaged_picture_has_no_vector_and_the_others_have_theirs(tmp_path: Path) -> None:
    embedder = load_embedder(our_checkpoint(tmp_path), 2)
    found = embedder.pictures([picture(0), b"damaged", picture(1), bytes(100)])
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False, True]
    assert np.abs(found[[0, 2]] - embedder.pictures([picture(0), picture(1)])).max() < 1e-6
    assert embedder.pictures([]).shape == (0, 16)
    assert embedder.texts([]).shape == (0, 16)


@pytest.mark.parametrize(
    "weights",
    [
        "open_clip_model.safetensors",
        "open_clip_pytorch_model.safetensors",
        "open_clip_pytorch_model.bin",
    ],
)
def test_open_clips_format_by_its_own_preprocessing(tmp_path: Path, weights: str) -> None:
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
    model = open_clip_checkpoint(tmp_path, weights, mean=mean, std=std, size=[16, 16], mode="RGB")
    embedder = load_embedder(tmp_path, 8)
    data = picture(5, (32, 20))
    with Image.open(io.BytesIO(data)) as image:
        square = image.resize((16, 16), Image.Resampling.BICUBIC, box=(6, 0, 26, 20))
    values = (np.asarray(square) / 255 - mean) / std
    with torch.inference_mode():
        plain = model.visual(torch.from_numpy(values).float().permute(2, 0, 1)[None])
    assert np.abs(embedder.pictures([data])[0] - F.normalize(plain)[0].numpy()).max() < 1e-5
    (vector,) = embedder.texts(["A red  kite"])
    vocab = json.loads((tmp_path / "vocab.json").read_text())
    numbers = ClipTokenizer.load(tmp_path).encode("A red  kite", 64)
    assert (numbers[0], numbers[-1]) == (vocab["<|startoftext|>"], vocab["<|endoftext|>"])
    with torch.inference_mode():
        wanted = model.encode_text(torch.tensor([numbers]))[0].numpy()
    assert np.abs(vector - wanted).max() < 1e-6


def test_a_training_checkpoint_of_open_clip(tmp_path: Path) -> None:
    model = open_clip_checkpoint(tmp_path, "open_clip_pytorch_model.bin")
    wanted = load_embedder(tmp_path, 8).texts(TEXTS)
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "open_clip_pytorch_model.bin")
    assert np.array_equal(load_embedder(tmp_path, 8).texts(TEXTS), wanted)


class TestClipTokenizer:
    def test_pieces_end_where_openai_ends_them(self, tmp_path: Path) -> None:
        clip_vocabulary(tmp_path)
        vocab = json.loads((tmp_path / "vocab.json").read_text())
        names = {number: token for token, number in vocab.items()}
        tokenizer = ClipTokenizer.load(tmp_path)
        numbers = tokenizer.encode("Red's 42 kites!?", 77)[1:-1]
        joined = "".join(names[number] for number in numbers)
        assert joined == "red</w>'s</w>4</w>2</w>kites</w>!?</w>"

    def test_typographic_letters_are_plain_ones(self, tmp_path: Path) -> None:
        clip_vocabulary(tmp_path)
        tokenizer = ClipTokenizer.load(tmp_path)
        for fine, plain in (
            ("“the ﬁne” kite’s", '"the fine" kite\'s'),
            ("ＲＥＤ　kite", "red kite"),
            ("カ\uff76", "カカ"),
        ):
            assert tokenizer.encode(fine, 77) == tokenizer.encode(plain, 77)

    def test_a_text_that_spells_the_end_is_text(self, tmp_path: Path) -> None:
        clip_vocabulary(tmp_path)
        tokenizer = ClipTokenizer.load(tmp_path)
        assert tokenizer.encode("a <|endoftext|> b", 77).count(tokenizer.end) == 1

    def test_tokenizer_json_comes_first(self, tmp_path: Path) -> None:
        clip_vocabulary(tmp_path)
        tokenizer = ClipTokenizer.load(tmp_path)
        (tmp_path / "tokenizer.json").write_bytes(tokenizer.to_bytes())
        (tmp_path / "vocab.json").write_text("nothing")
        again = ClipTokenizer.load(tmp_path)
        assert [again.encode(t, 77) for t in TEXTS] == [tokenizer.encode(t, 77) for t in TEXTS]


def _edit(path: Path, **changed: object) -> None:
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | changed))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "merges.txt").unlink(), "has no tokenizer.json, nor vocab.json"),
        (lambda f: (f / "vocab.json").write_text("{"), r"vocab\.json is no tokenizer"),
        (lambda f: (f / "open_clip_model.safetensors").unlink(), "has no weights"),
        (lambda f: (f / "open_clip_model.safetensors").write_bytes(b"cut"), "no whole checkpoint"),
        (lambda f: (f / "open_clip_config.json").write_text("{}"), "no model that webpairs can"),
        (
            lambda f: _edit(f / "open_clip_config.json", preprocess_cfg={"resize_mode": "squash"}),
            "no model that webpairs can build: Invalid enum value 'squash'",
        ),
        (lambda f: _swap(f), "tokens where the model has"),
    ],
)
def test_what_is_missing_or_damaged_is_said(tmp_path: Path, damage: object, says: str) -> None:
    open_clip_checkpoint(tmp_path, "open_clip_model.safetensors")
    assert callable(damage)
    damage(tmp_path)
    with pytest.raises(TrainError, match=says):
        load_embedder(tmp_path, 8)


def _swap(folder: Path) -> None:
    vocab = json.loads((folder / "vocab.json").read_text())
    del vocab["!"]
    (folder / "vocab.json").write_text(json.dumps(vocab))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    model = open_clip_checkpoint(tmp_path, "open_clip_pytorch_model.bin")
    state = model.state_dict()
    del state["logit_scale"]
    torch.save(state, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(TrainError, match=r"does not fit the open_clip_config\.json"):
        load_embedder(tmp_path, 8)
