"""The recipes that ship, and the script behind `make real`."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from webpairs_pipeline.demo.pages import MAX_DEPTH
from webpairs_pipeline.demo.pictures import APART, CLOSE, PAD_BYTES
from webpairs_pipeline.recipe import load_recipe

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))


@pytest.fixture(scope="module")
def real() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real", ROOT / "benchmarks" / "real.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_decodes_and_bears_its_file_name(path: Path) -> None:
    assert load_recipe(path, []).name == path.stem


def test_demo_recipe_fits_the_demo_web() -> None:
    recipe = load_recipe(ROOT / "recipes" / "demo.toml", [])
    assert recipe.serve.web == "demo"
    assert recipe.crawl.max_depth == MAX_DEPTH
    assert recipe.crawl.max_pages > recipe.serve.pages + 50
    assert recipe.fetch.max_bytes < PAD_BYTES
    assert CLOSE <= recipe.dedup.near_duplicate_distance < APART
    # What heals on the second try needs one.
    assert min(recipe.crawl.retries, recipe.fetch.retries) >= 1


def test_real_makes_labels_of_captions(tmp_path: Path, real: ModuleType) -> None:
    source = tmp_path / "set"
    source.mkdir()
    rows = [{"file": "b.png", "en": "ox"}, {"file": "a.png", "en": "café"}]
    (source / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    real.write_labels(source, tmp_path / "out" / "labels")
    lines = (tmp_path / "out" / "labels" / "labels.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"file": str(source / "b.png"), "label": "ox"},
        {"file": str(source / "a.png"), "label": "café"},
    ]
    assert (tmp_path / "out" / "labels" / "classnames.txt").read_text() == "café\nox\n"


def test_real_prints_every_reason(real: ModuleType) -> None:
    funnel = {"stage": "crawl", "noun": "pages", "rows_in": 1200, "kept": 1190}
    crawl = {
        "funnels": [funnel | {"rejected": {"http_4xx": 10}}],
        "info": {"n_images": 5000, "n_pairs": 4990, "unpaired": {"no_text": 10}},
    }
    table = "\n".join(real.funnel_table("Sites", {"crawl": crawl}))
    for row in ("| crawl | pages in | 1,200 |", "http_4xx | 10", "no_text | 10", "4,990"):
        assert row in table
    result = {"name": "twemoji", "n_classes": 1199, "top1": 0.031, "ci95": [0.02, 0.04]}
    scores = real.score_table([result | {"top5": 0.12, "chance": 1 / 1199}])
    assert scores[-1] == "| twemoji | 1,199 | 3.1% | 2.0% to 4.0% | 12.0% | 0.08% |"
