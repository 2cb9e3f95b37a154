"""Model JSON: what can be built, and sentences for what cannot."""

from pathlib import Path

import pytest

from tiny_models import TINY, write_config
from webpairs_core.errors import RecipeError
from webpairs_trainer.model.architecture import load_config


def test_a_path_is_read(tmp_path: Path) -> None:
    assert load_config(str(write_config(tmp_path))) == TINY


def test_a_misspelt_name_gets_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'ViT-B-32'"):
        load_config("ViT-B32")


def test_an_unknown_name_gets_the_list() -> None:
    with pytest.raises(RecipeError, match=r"there are: .*webpairs-nano"):
        load_config("resnet")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"layers":1', '"layer":1', "unknown field `layer`"),
        ('"width":32', '"width":40', "multiple of head_width"),
        ('"patch_size":4', '"patch_size":5', "multiple of patch_size"),
        ('"patch_size":4', '"patch_size":4,"stem":[8,8,8]', "multiple of 2"),
        ('"heads":2', '"heads":3', "multiple of heads"),
        ('"vocab_size":300', '"vocab_size":257', "258 or more"),
        ("{", "", "no model this trainer can build"),
    ],
)
def test_what_cannot_be_built_says_why(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = write_config(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RecipeError, match=words):
        load_config(str(path))
