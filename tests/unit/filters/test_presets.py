"""Presets: data that a recipe decodes, each rule with its source, each gap by name."""

import re
import tomllib
from typing import Any

import msgspec
import pytest

from command import webpairs
from webpairs_core.errors import RecipeError
from webpairs_filters.catalog import Filter
from webpairs_filters.preset import as_recipe, load_preset, preset_names
from webpairs_pipeline.recipe import recipe_dict, recipe_from

PUBLISHED = {
    "laion-400m", "laion-5b", "cc12m", "cc3m", "align", "coyo-700m", "datacomp-basic",
    "obelics-image", "wukong", "metaclip",
}  # fmt: skip


def test_all_of_the_field_are_there() -> None:
    assert set(preset_names()) == PUBLISHED


@pytest.mark.parametrize("name", preset_names())
def test_a_recipe_may_name_it(name: str) -> None:
    preset = load_preset(name)
    recipe = recipe_from({"name": "x", "preset": name}, [], "x.toml")
    wanted = [rule.filter for rule in preset.rules if rule.filter]
    assert list(recipe.filters) == msgspec.convert(wanted, list[Filter])
    built = recipe_dict(recipe)
    for rule in preset.rules:
        assert rule.filter or rule.set, rule.rule
        for place, value in rule.set.items():
            section, key = place.split(".")
            assert msgspec.json.encode(built[section][key]) == msgspec.json.encode(value), place
    assert recipe.applied_preset == f"{name} {preset.version}"


@pytest.mark.parametrize("name", preset_names())
def test_printed_it_is_a_recipe_that_does_the_same(name: str) -> None:
    printed = as_recipe(name, load_preset(name))
    copied = recipe_from(tomllib.loads(f'name = "x"\n{printed}'), [], "copy")
    named = recipe_dict(recipe_from({"name": "x", "preset": name}, [], "named"))
    assert recipe_dict(copied) == named | {"applied_preset": ""}
    for each in load_preset(name).missing:
        assert f"# - {each.rule}: {each.why}" in printed


def test_the_recipes_own_words_win_and_its_filters_come_last() -> None:
    raw = {
        "name": "x",
        "preset": "datacomp-basic",
        "image": {"min_side_px": 64},
        "filters": [{"use": "text_junk"}],
    }
    recipe = recipe_from(raw, ["image.max_aspect=2"], "x.toml")
    assert (recipe.image.min_side_px, recipe.image.max_aspect) == (64, 2.0)
    assert [type(each).__name__ for each in recipe.filters][-1] == "TextJunk"
    assert len(recipe.filters) == 4


def test_a_recipe_in_a_manifest_is_not_completed_twice() -> None:
    once = recipe_from({"name": "x", "preset": "coyo-700m"}, [], "x.toml")
    again = recipe_from(recipe_dict(once), [], "manifest.json")
    assert again == once


def test_a_misspelt_name_and_a_misspelt_rule() -> None:
    with pytest.raises(RecipeError, match="did you mean 'laion-400m'"):
        recipe_from({"name": "x", "preset": "laion400m"}, [], "x.toml")
    with pytest.raises(RecipeError, match="did you mean 'text_length'"):
        recipe_from(
            {"name": "x", "preset": "cc12m", "filters": [{"use": "text_lenght"}]}, [], "x.toml"
        )


def test_show_prints_them() -> None:
    listed = webpairs("show", "preset").ok()
    assert [line.split()[0] for line in listed.out.splitlines()] == preset_names()
    shown = webpairs("show", "preset", "align").ok()
    assert shown.out == as_recipe("align", load_preset("align"))
    wrong = webpairs("show", "preset", "alien")
    assert (wrong.code, wrong.out) == (2, "")
    assert "did you mean 'align'" in wrong.sentence


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"preset": 3}, "preset must be one name"),
        ({"preset": ["align"]}, "preset must be one name"),
        ({"preset": "align", "dedup": 3}, "Expected `object`, got `int` - at `dedup`"),
        ({"preset": "align", "filters": 3}, "Expected `array`, got `int` - at `filters`"),
    ],
)
def test_what_is_no_recipe_is_one_sentence(raw: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(sentence)):
        recipe_from({"name": "x", **raw}, [], "x.toml")
