"""The recipe: strict, with errors that name the place and the nearest spelling."""

from pathlib import Path

import pytest

from webpairs_core.errors import RecipeError
from webpairs_pipeline.recipe import load_recipe, recipe_dict, recipe_digest

RECIPES = Path(__file__).parents[3] / "recipes"


def recipe(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r.toml"
    path.write_text('name = "r"\n' + text)
    return path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[crawl]\nmax_pges = 3", "unknown key 'max_pges' at [crawl]; did you mean 'max_pages'?"),
        ("sed = 3", "unknown key 'sed' at the top; did you mean 'seed'?"),
        ("[crwl]\nmax_pages = 3", "unknown key 'crwl' at the top; did you mean 'crawl'?"),
        ("[crawl]\nmax_pages = 0", "Expected `int` >= 1 - at `crawl.max_pages`"),
        ('[fetch]\ntimeout_s = "soon"', "Expected `float`, got `str` - at `fetch.timeout_s`"),
        ('[[filters]]\nuse = "text_lenght"', "unknown filter 'text_lenght'"),
        ('[[filters]]\nuse = "text_lenght"', "did you mean 'text_length'?"),
        (
            '[[filters]]\nuse = "text_length"\nmin_char = 5',
            "unknown key 'min_char' at [filters[0]]; did you mean 'min_chars'?",
        ),
        ('[image]\nresize = "squash"', "'squash'"),
        (
            '[crawl]\ntables = [{path = "a.csv", txt = "b"}]',
            "unknown key 'txt' at [crawl.tables[0]]; did you mean 'text'?",
        ),
        (
            '[crawl]\ntexts = ["alt", "figcaptoin"]',
            "unknown value 'figcaptoin' at crawl.texts[1]; there are: alt, anchor,",
        ),
        (
            '[[filters]]\nuse = "language"\ndetector = "lucky"',
            "unknown value 'lucky' at filters[0].detector; there are: ",
        ),
        ('[crawl]\noptout = "x"', "there are: default, report, strict"),
        ("[crawl", "is not TOML"),
        ('[serve]\nweb = "demo"\npages = 1', "serve.pages"),
    ],
)
def test_a_mistake_gets_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe(tmp_path, text), [])
    assert sentence in str(caught.value)
    assert "r.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_and_a_missing_name(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no recipe"):
        load_recipe(tmp_path / "none.toml", [])
    (tmp_path / "r.toml").write_text("seed = 1\n")
    with pytest.raises(RecipeError, match="name"):
        load_recipe(tmp_path / "r.toml", [])


def test_overrides_go_through_the_same_decoder(tmp_path: Path) -> None:
    path = recipe(tmp_path, "[fetch]\nper_host = 3")
    changed = load_recipe(
        path, ["fetch.timeout_s=5", "seed=7", "image.format=webp", 'crawl.texts=["alt", "title"]']
    )
    assert changed.fetch.timeout_s == 5.0
    assert changed.fetch.per_host == 3
    assert changed.seed == 7
    assert changed.image.format == "webp"
    assert changed.crawl.texts == ("alt", "title")
    for bad, sentence in [
        ("fetch.timeout=5", "did you mean 'timeout_s'"),
        ("fetch.timeout_s", "--set takes section.key=value"),
        ("seed.x=1", "seed is no section"),
        ("filters.0=1", "filters is no section"),
    ]:
        with pytest.raises(RecipeError, match=sentence):
            load_recipe(recipe(tmp_path, "seed = 1\nfilters = []"), [bad])


def test_the_digest_names_the_whole_configuration(tmp_path: Path) -> None:
    plain = load_recipe(recipe(tmp_path, ""), [])
    spelled_out = load_recipe(recipe(tmp_path, "seed = 0\n[fetch]\nper_host = 2"), [])
    other = load_recipe(recipe(tmp_path, ""), ["fetch.per_host=3"])
    assert recipe_digest(plain) == recipe_digest(spelled_out) != recipe_digest(other)
    assert recipe_dict(plain)["fetch"]["per_host"] == 2


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda p: p.stem)
def test_every_recipe_in_the_tree_decodes(path: Path) -> None:
    assert load_recipe(path, []).name
