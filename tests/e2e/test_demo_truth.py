"""The pipeline against the demo web's own truth: every page, every pair, every reject, exactly."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from webpairs_core.records import Outcome
from webpairs_core.schema import PAGES, PAIRS, PLAN, REJECTS, SAMPLES, read_table
from webpairs_pipeline.demo.draft import OFF_SITE
from webpairs_pipeline.demo.truth import Truth
from webpairs_pipeline.demo.web import demo_truth
from webpairs_pipeline.recipe import load_recipe
from webpairs_pipeline.run import Run
from webpairs_pipeline.site import host_name
from webpairs_pipeline.stages import STAGES, run_stage

RECIPE = Path(__file__).parents[2] / "recipes" / "demo.toml"
REJECTING = ("filter", "dedup", "plan")


@pytest.mark.parametrize("pages", [60, pytest.param(400, marks=pytest.mark.e2e)])
def test_every_row_ends_as_the_truth_says(tmp_path: Path, free_port: int, pages: int) -> None:
    overrides = [f"serve.port={free_port}", f"serve.pages={pages}"]
    run = Run(recipe=load_recipe(RECIPE, overrides), out=tmp_path, workers=2)
    with run.ledger.lock():
        for spec in STAGES:
            if spec.command not in ("train", "eval"):
                run_stage(spec, run)
    truth = demo_truth(run.recipe.serve)
    _pages_are_as_told(run, truth)
    _pairs_are_as_told(run, truth)
    _rejects_are_as_told(run, truth)
    _samples_are_as_told(run, truth)
    _nobody_asked_for_what_is_forbidden(run, truth)


def _rows(run: Run, stage: str, prefix: str, schema: object) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for entry in run.ledger.outputs(stage, prefix):
        if entry.path.endswith(".parquet"):
            rows += read_table(run.out / entry.path, schema).to_pylist()
    return rows


def _pages_are_as_told(run: Run, truth: Truth) -> None:
    found = {row["url"]: row for row in _rows(run, "crawl", "pages/", PAGES)}
    assert {url: row["outcome"] for url, row in found.items()} == {
        page.url: page.outcome for page in truth.pages
    }
    for page in truth.pages:
        assert dict(found[page.url]["unpaired"]) == page.unpaired, page.url


def _pairs_are_as_told(run: Run, truth: Truth) -> None:
    found = Counter((row["page_url"], row["key"]) for row in _rows(run, "crawl", "pairs/", PAIRS))
    told = {(pair.page_url, pair.key): pair for pair in truth.pairs}
    assert [(p.flaw, p.url, p.text) for k, p in told.items() if k not in found] == []
    assert [key for key in found if key not in told] == []
    assert found == Counter((pair.page_url, pair.key) for pair in truth.pairs)


def _rejects_are_as_told(run: Run, truth: Truth) -> None:
    found = Counter(
        (row["key"], row["stage"], row["reason"])
        for stage in REJECTING
        for row in _rows(run, stage, f"rejects/{stage}/", REJECTS)
    )
    # The fetch stage has no rejects file: each candidate has a row that says what became of it.
    found.update(
        (row["key"], "fetch", row["outcome"])
        for row in _rows(run, "fetch", "samples/", SAMPLES)
        if row["outcome"] != "ok"
    )
    told = truth.rejects()
    # Which image of a dead host finds out that it is dead, and which are not asked, is no matter.
    for (key, stage, reason), n in list(found.items()):
        if reason == Outcome.HOST_DOWN and (key, stage, "connect") in told:
            found[(key, stage, "connect")] += n
            del found[(key, stage, reason)]
    by_key = {pair.key: pair for pair in truth.pairs}
    for (key, stage, reason), n in (told - found).items():
        pytest.fail(f"{n}x not rejected as {stage} {reason}: {by_key[key]}")
    for (key, stage, reason), n in (found - told).items():
        pytest.fail(f"{n}x rejected as {stage} {reason}: {by_key[key]}")


def _samples_are_as_told(run: Run, truth: Truth) -> None:
    told = truth.samples()
    planned = _rows(run, "plan", "plan/", PLAN)
    assert {row["key"] for row in planned} == set(told)
    assert len(planned) == len(told)
    fetched = {row["key"]: row for row in _rows(run, "fetch", "samples/", SAMPLES)}
    for key, pair in told.items():
        row = fetched[key]
        assert row["original_width"] * row["original_height"] == pair.n_pixels, pair


def _nobody_asked_for_what_is_forbidden(run: Run, truth: Truth) -> None:
    lines = (run.out / "run" / "served.log").read_text(encoding="utf-8").splitlines()
    asked = {line.rsplit(" ", 1)[0] for line in lines}
    assert asked.isdisjoint(truth.forbidden)
    assert [place for place in asked if place.startswith(f"{host_name(OFF_SITE)}/")] == []
    assert "127.0.0.2/robots.txt" in asked
