"""Captions to numbers and back."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_core.errors import TrainError
from webpairs_trainer.text.tokenizer import CaptionTokenizer, pad

CAPTIONS = [f"a photo of {n} red kites over the old harbour" for n in range(40)]
CAPTIONS += [f"부엌 창가에 앉은 고양이 {n}" for n in range(40)]
TOKENIZER = CaptionTokenizer.train(CAPTIONS, 400)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_round_trip_of_any_text(text: str) -> None:
    once = TOKENIZER.decode(TOKENIZER.encode(text, 10_000))
    assert TOKENIZER.decode(TOKENIZER.encode(once, 10_000)) == once


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("A Red  Kite\n over", "a red kite over"),
        ("고양이", "고양이"),
        ("cafe\u0301", "caf\u00e9"),
        ("Übergröße", "übergröße"),
        ("🧑‍🚀 in space", "🧑‍🚀 in space"),
        ("", ""),
    ],
)
def test_text_is_lower_cased_and_folded(text: str, normal: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text, 77)) == normal


def test_the_end_token_is_the_highest_number() -> None:
    numbers = TOKENIZER.encode("a red kite", 77)
    assert numbers[-1] == TOKENIZER.end == max(numbers)
    assert TOKENIZER.end < 400


def test_long_captions_are_cut_and_keep_their_end() -> None:
    numbers = TOKENIZER.encode("a red kite over the harbour " * 20, 16)
    assert len(numbers) == 16
    assert numbers[-1] == TOKENIZER.end


def test_a_caption_that_spells_the_frame_is_text() -> None:
    numbers = TOKENIZER.encode("<start> a kite <end> and more", 77)
    assert numbers.count(TOKENIZER.end) == 1
    assert TOKENIZER.decode(numbers) == "<start> a kite <end> and more"


def test_training_is_deterministic() -> None:
    assert CaptionTokenizer.train(iter(CAPTIONS), 400).to_bytes() == TOKENIZER.to_bytes()


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(TOKENIZER.to_bytes())
    loaded = CaptionTokenizer.load(path)
    for text in ("a photo of <end> kites", "고양이 3", "unseen words ŝ"):
        assert loaded.encode(text, 77) == TOKENIZER.encode(text, 77)


def test_a_foreign_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(TOKENIZER.to_bytes().replace(b"<end>", b"<eot>"))
    with pytest.raises(TrainError, match="<end>"):
        CaptionTokenizer.load(path)


def test_pad_cuts_at_the_longest() -> None:
    assert torch.equal(pad([[1, 2, 3], [4, 5]]), torch.tensor([[1, 2, 3], [4, 5, 0]]))
