"""Zero-shot classification: labelled folders, prompts, the score."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from tiny_models import TINY
from webpairs_core.errors import RecipeError, TrainError
from webpairs_trainer.evaluate.labelled import load_labelled
from webpairs_trainer.evaluate.prompts import fill, load_templates
from webpairs_trainer.evaluate.zeroshot import Judge, class_features, wilson, zero_shot
from webpairs_trainer.model.clip import CLIP
from webpairs_trainer.text.tokenizer import CaptionTokenizer

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
SENTENCES = [f"a photo of a {colour}." for colour in COLOURS] * 3


class Perfect(CLIP):
    """Sees the mean colour of an image, and reads the one token that tells a colour."""

    def __init__(self, tokenizer: CaptionTokenizer, is_blind: bool = False) -> None:
        super().__init__(TINY)
        self._read = tokenizer
        self._is_blind = is_blind

    def encode_image(self, pixels: Tensor) -> Tensor:
        if self._is_blind:
            return torch.ones(len(pixels), 3) / 3**0.5
        return F.normalize(pixels.float().mean((2, 3)), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        texts = [self._read.decode(row.tolist()) for row in tokens]
        rows = [[float(colour in text) for colour in COLOURS] for text in texts]
        return F.normalize(torch.tensor(rows), dim=-1)


def judge(is_blind: bool = False) -> Judge:
    tokenizer = CaptionTokenizer.train(SENTENCES, 300)
    model = Perfect(tokenizer, is_blind)
    return Judge(model=model, tokenizer=tokenizer, config=TINY, batch_size=4)


def draw(folder: Path, classes: Sequence[str] = tuple(COLOURS), n: int = 3) -> Path:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(n):
            Image.new("RGB", (20 + i, 20), COLOURS[name]).save(folder / name / f"{i}.png")
    return folder


def test_a_perfect_model_is_always_right(tmp_path: Path) -> None:
    score = zero_shot(judge(), load_labelled(draw(tmp_path / "set")), ["a photo of a {}."])
    assert (score.top1, score.top5, score.mean_per_class) == (1.0, 1.0, 1.0)
    assert (score.n, score.n_classes, score.n_damaged) == (9, 3, 0)
    assert score.chance == pytest.approx(1 / 3)
    assert score.ci95 == pytest.approx((0.70085, 1.0), abs=1e-4)


def test_a_model_that_sees_nothing_gets_no_more_than_chance(tmp_path: Path) -> None:
    score = zero_shot(judge(is_blind=True), load_labelled(draw(tmp_path / "set")), ["{}"])
    assert score.top1 == pytest.approx(1 / 3)


def test_a_wrong_label_costs_and_classes_weigh_the_same(tmp_path: Path) -> None:
    folder = draw(tmp_path / "set")
    for i in range(3):
        Image.new("RGB", (20, 20), COLOURS["blue"]).save(folder / "red" / f"wrong{i}.png")
    score = zero_shot(judge(), load_labelled(folder), ["{}"])
    assert score.top1 == pytest.approx(9 / 12)
    assert score.mean_per_class == pytest.approx((1 + 1 + 0.5) / 3)


def test_damaged_images_are_counted(tmp_path: Path) -> None:
    folder = draw(tmp_path / "set")
    (folder / "red" / "broken.png").write_bytes(b"\x89PNG no more")
    score = zero_shot(judge(), load_labelled(folder), ["{}"])
    assert (score.n, score.n_damaged, score.top1) == (9, 1, 1.0)


def test_nothing_but_damage(tmp_path: Path) -> None:
    (tmp_path / "set" / "red").mkdir(parents=True)
    (tmp_path / "set" / "red" / "broken.jpg").write_bytes(b"")
    with pytest.raises(TrainError, match="none of the 1 images of set"):
        zero_shot(judge(), load_labelled(tmp_path / "set"), ["{}"])


def test_an_ensemble_is_the_mean_of_unit_features() -> None:
    one = judge()
    features = class_features(one, ["red"], ["{}", "{} and blue"])
    first = torch.tensor([1.0, 0, 0])
    second = F.normalize(torch.tensor([1.0, 0, 1.0]), dim=-1)
    torch.testing.assert_close(features[0], F.normalize(first + second, dim=-1))


# Newcombe 1998, Statistics in Medicine 17:857, table I, method 3 (Wilson's score, 95 %).
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=5.1e-5)


def test_classnames_add_wrong_answers(tmp_path: Path) -> None:
    folder = draw(tmp_path / "set", ["red", "blue"])
    (folder / "classnames.txt").write_text("green\nblue\nred\n")
    labelled = load_labelled(folder)
    assert labelled.classes == ("green", "blue", "red")
    assert zero_shot(judge(), labelled, ["{}"]).chance == pytest.approx(1 / 3)
    (folder / "classnames.txt").write_text("green\nblue\n")
    with pytest.raises(RecipeError, match="does not list the class 'red'"):
        load_labelled(folder)


def test_a_listing_names_files_and_labels(tmp_path: Path) -> None:
    folder = draw(tmp_path / "set")
    rows = [{"file": f"{c}/{i}.png", "label": f"the {c}"} for c in COLOURS for i in range(2)]
    listing = folder / "labels.jsonl"
    listing.write_text("".join(json.dumps({**row, "split": "test"}) + "\n" for row in rows))
    labelled = load_labelled(folder)
    assert labelled.classes == ("the blue", "the green", "the red")
    assert len(labelled.images) == 6
    assert zero_shot(judge(), labelled, ["{}"]).top1 == 1.0
    listing.write_text('{"file": "red/0.png"}\n')
    with pytest.raises(RecipeError, match="line 1"):
        load_labelled(folder)


def test_underscores_in_folder_names_are_spaces(tmp_path: Path) -> None:
    folder = draw(tmp_path / "set")
    (folder / "red").rename(folder / "dark_red")
    assert load_labelled(folder).classes == ("blue", "dark red", "green")


@pytest.mark.parametrize("has_folder", [False, True])
def test_no_set(tmp_path: Path, has_folder: bool) -> None:
    folder = tmp_path / "set"
    if has_folder:
        folder.mkdir()
    words = "holds no labelled images" if has_folder else "there is no folder"
    with pytest.raises(RecipeError, match=words):
        load_labelled(folder)


def test_templates(tmp_path: Path) -> None:
    assert load_templates("a photo of a {c}.") == ("a photo of a {c}.",)
    path = tmp_path / "templates.txt"
    path.write_text("# photos\na photo of a {}.\n\na drawing of a {c}, {c}!\n")
    templates = load_templates(str(path))
    assert fill(templates, "kite") == ["a photo of a kite.", "a drawing of a kite, kite!"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "give a template with {}"), ("a photo\n", "'a photo'"), ("\n", "'nothing'")],
)
def test_templates_that_are_none(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "templates.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RecipeError, match=words):
        load_templates(str(path))
