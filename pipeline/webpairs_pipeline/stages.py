"""The order of the rooms. A stage is a row of this table; its work is `run(run, stage)` in its
module, imported only when there is work to do, so that a finished stage costs no heavy import."""

import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import msgspec

from webpairs_core import __version__
from webpairs_core.errors import RecipeError
from webpairs_core.files import file_sha256
from webpairs_core.keys import digest
from webpairs_core.ledger import DONE, Commit, Stage
from webpairs_filters.catalog import OfPairs, OfSamples
from webpairs_pipeline.crawl_inputs import input_facts
from webpairs_pipeline.evaluation_sets import set_facts
from webpairs_pipeline.pack.locate import source_facts
from webpairs_pipeline.recipe import recipe_dict
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.score_inputs import score_facts

log = logging.getLogger(__name__)


class StageSpec(msgspec.Struct, frozen=True):
    """What makes a stage do its work again: a change in its sections, its inputs or the limit."""

    name: str
    command: str
    """The `webpairs` sub-command that runs it."""
    module: str
    inputs: tuple[str, ...]
    sections: tuple[str, ...]
    """Names of recipe sections, or `section.key` where only that key decides what is made: how
    gently images are asked for may change in the middle of a fetch. Of the filters, those that
    judge pairs or samples."""
    makes: str
    """What it makes, relative to OUT; {name} is the recipe's name."""


STAGES = (
    StageSpec("crawl", "crawl", "crawl_stage", (), ("serve", "crawl"), "pairs"),
    StageSpec(
        "filter", "filter", "filter_stage", ("crawl",), ("crawl", "filters.pairs"), "rejects/filter"
    ),
    StageSpec(
        "dedup",
        "filter",
        "dedup_stage",
        ("filter",),
        ("dedup", "fetch.rows_per_part"),
        "candidates",
    ),
    StageSpec(
        "fetch",
        "fetch",
        "fetch.stage",
        ("dedup",),
        ("serve", "crawl", "fetch.max_bytes", "image"),
        "samples",
    ),
    StageSpec("score", "shard", "score_stage", ("fetch",), ("score.checkpoint",), "scores"),
    StageSpec(
        "plan",
        "shard",
        "plan.stage",
        ("fetch", "score"),
        ("seed", "blocklist", "filters.samples", "dedup", "decontaminate", "balance", "shards"),
        "plan",
    ),
    StageSpec(
        "shard",
        "shard",
        "shard_stage",
        ("fetch", "plan"),
        ("name", "seed", "image", "shards"),
        "shards",
    ),
    StageSpec("train", "train", "train_stage", ("shard",), ("seed", "train"), "models/{name}"),
    StageSpec("eval", "eval", "eval_stage", ("train",), ("eval",), "models/{name}/eval"),
)
PACK = StageSpec(
    "fetch",
    "pack",
    "pack.stage",
    (),
    ("fetch.max_bytes", "fetch.rows_per_part", "image", "crawl.optout", "blocklist"),
    "samples",
)
"""Stands in place of crawl, filter and fetch (docs/adr/0019-pack.md): what follows asks the ledger
for the samples that `fetch` made, wherever they come from."""
COMMANDS = tuple(dict.fromkeys(spec.command for spec in STAGES))


_JUDGES = {"pairs": OfPairs, "samples": OfSamples}


def fingerprint(spec: StageSpec, run: Run) -> str:
    """The digest of all that decides what a stage makes."""
    recipe = recipe_dict(run.recipe)
    return digest(
        (_packed(run) if spec is PACK else {})
        | {
            "version": __version__,
            "stage": spec.name,
            "sections": {section: _part_of(recipe, section) for section in spec.sections},
            "files": _named_files(spec, run),
            "sets": _set_facts(spec, run),
            "scored": score_facts(run.recipe) if spec.name == "score" else {},
            "crawled": input_facts(run.recipe.crawl) if spec.name == "crawl" else [],
            "inputs": {name: run.ledger.stage_digest(name) for name in spec.inputs},
            "limit": run.limit,
        }
    )


def _packed(run: Run) -> dict[str, Any]:
    columns = [run.image_column, run.caption_column]
    return {"packed": source_facts(run.sources), "columns": columns}


def _part_of(recipe: dict[str, Any], section: str) -> Any:
    name, _, key = section.partition(".")
    if name == "filters":
        tags = {kind.__struct_config__.tag for kind in get_args(_JUDGES[key])}
        return [each for each in recipe["filters"] if each["use"] in tags]
    return recipe[name][key] if key else recipe[name]


def _set_facts(spec: StageSpec, run: Run) -> list[tuple[str, int, int]]:
    if "decontaminate" not in spec.sections:
        return []
    return set_facts(run.recipe.decontaminate.sets)


def _named_files(spec: StageSpec, run: Run) -> dict[str, str]:
    """The digests of the small files that a recipe only names: an edit reopens the stage too."""
    recipe = run.recipe
    named = {
        "crawl": recipe.crawl.seeds_file,
        "train": recipe.train.model,
        "eval": recipe.eval.templates,
        "balance": recipe.balance.entries,
    }
    paths = [Path(named[section]) for section in spec.sections if named.get(section)]
    if "blocklist" in spec.sections:
        paths += map(Path, recipe.blocklist.files)
    if "filters.pairs" in spec.sections:
        paths += [Path(path) for each in recipe.pair_filters for path in each.files()]
    return {str(path): file_sha256(path) for path in paths if path.is_file()}


def run_stage(spec: StageSpec, run: Run) -> Made:
    """Do what is left to do of one stage. Call with the ledger's lock held."""
    wanted = fingerprint(spec, run)
    if run.ledger.is_changed(spec.name, wanted):
        _say_changed(spec, run)
    stage = run.ledger.open_stage(spec.name, wanted)
    if run.retry and spec.name == "fetch":
        from webpairs_pipeline.fetch import rounds

        rounds.begin(stage, run.retry)
    done = stage.commit_of(DONE)
    if done is None:
        module = import_module(f"webpairs_pipeline.{spec.module}")
        work: Callable[[Run, Stage], Made] = module.run
        made = work(run, stage)
        with stage.unit(DONE) as unit:
            done = unit.commit(*made.funnels, info=made.info)
    else:
        log.info("%s: done before, nothing to do", spec.name)
    return made_by(spec, run, done)


def _say_changed(spec: StageSpec, run: Run) -> None:
    """Raises RecipeError where undoing what was made cannot be meant."""
    what = f"[{'], ['.join(spec.sections)}] of the recipe, --limit or the input"
    if run.retry:
        raise RecipeError(
            f"--retry goes on with a finished {spec.name}, but {what} has changed since this one "
            "was made: nothing was done; give the recipe and the --limit that it was made with"
        )
    log.warning("%s: %s has changed since it was made: making it anew", spec.name, what)


def made_by(spec: StageSpec, run: Run, done: Commit) -> Made:
    """What a finished stage made, from its last commit."""
    path = run.out / spec.makes.format(name=run.recipe.name)
    if not path.exists():  # a stage with nothing to do (no labelled sets) makes no folder
        path = path.parent
    return Made(path=path, funnels=tuple(done.funnels), info=done.info)
