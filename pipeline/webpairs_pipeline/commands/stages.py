"""crawl, filter, fetch, shard, train, eval and run: the stages of a recipe, in their order."""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from webpairs_core.errors import RecipeError
from webpairs_core.funnel import table
from webpairs_filters.preset import load_preset
from webpairs_pipeline.commands.flags import count, output_flags, set_flag, workers_flag
from webpairs_pipeline.recipe import Recipe, load_recipe
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import COMMANDS, STAGES, StageSpec, run_stage
from webpairs_shards.format.manifest import refuse_unfinished_purge
from webpairs_trainer.options import TrainSection

log = logging.getLogger("webpairs")

_WHAT = {
    "crawl": "read pages and collect pairs of image URL and text",
    "filter": "drop bad pairs and exact duplicates, group the rest by host",
    "fetch": "download, check and encode the images",
    "shard": "drop near-duplicates, shuffle, write WebDataset shards",
    "train": "train CLIP on the shards",
    "eval": "judge the model: zero-shot classification",
}


def add(commands: Any) -> None:
    """A sub-command for each stage, and `run` for all of them."""
    for name in COMMANDS:
        _stage_command(commands.add_parser(name, help=_WHAT[name], description=_WHAT[name]), name)
    everything = f"{', '.join(COMMANDS)}: all of them, in this order"
    _stage_command(commands.add_parser("run", help=everything, description=everything), "run")


def _stage_command(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("recipe", type=Path, help="a TOML file, e.g. recipes/demo.toml")
    parser.add_argument("--out", type=Path, help="where everything goes (out/NAME of the recipe)")
    set_flag(parser)
    workers_flag(parser)
    parser.add_argument(
        "--limit", type=count, metavar="N", help="at most N of what enters this command"
    )
    parser.add_argument("--fresh", action="store_true", help="start over instead of going on")
    if name == "fetch":
        parser.add_argument(
            "--retry",
            metavar="OUTCOMES",
            help="ask again for images of a finished fetch with these outcomes: timeout,http_5xx "
            "(docs/outcomes.md has them all)",
        )
    output_flags(parser)
    parser.set_defaults(work=work, command=name)


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Run them; raises what they raise."""
    recipe = load_recipe(args.recipe, args.overrides)
    out: Path = args.out or Path("out") / recipe.name
    run = Run(
        recipe=recipe,
        out=out.resolve(),
        workers=args.workers,
        limit=args.limit,
        retry=_retry(args),
    )
    specs = _specs(args.command, recipe)
    if recipe.applied_preset and args.command in ("filter", "run"):
        name = recipe.applied_preset.partition(" ")[0]
        for each in load_preset(name).missing:
            log.warning("preset %s, not done here: %s (%s)", name, each.rule, each.why)
    return run_specs(run, specs, args)


def run_specs(run: Run, specs: list[StageSpec], args: argparse.Namespace) -> dict[str, Any]:
    """Run these stages, the first one up to the run's limit; print and return what they made."""
    made: dict[str, Made] = {}
    with run.ledger.lock():
        for folder in ("shards", "validation"):
            refuse_unfinished_purge(run.out / folder)
        _log_to_file(run.out)
        if args.fresh:
            for spec in specs:
                run.ledger.reset(spec.name)
        # Scores are of what was fetched: the limit bounds what is chosen from it.
        limited = next(spec for spec in specs if spec.name != "score")
        for spec in specs:
            made[spec.name] = _one_stage(spec, run, is_first=spec is limited, args=args)
    from webpairs_pipeline.report import write_report_json

    write_report_json(run.out)
    if not args.json:
        print(made[specs[-1].name].path)
    return {
        "command": args.command,
        "out": str(run.out),
        "made": str(made[specs[-1].name].path),
        "stages": {
            name: {
                "funnels": [_funnel_dict(funnel) for funnel in one.funnels],
                "info": one.info,
            }
            for name, one in made.items()
        },
    }


def _specs(command: str, recipe: Recipe) -> list[StageSpec]:
    """The stages of a command; `run` ends with the shards where a recipe does not speak of
    training."""
    if command != "run":
        return [spec for spec in STAGES if spec.command == command]
    if recipe.train != TrainSection():
        return list(STAGES)
    log.info("run: the recipe has no [train], so the shards are the end; `webpairs train` trains")
    return [spec for spec in STAGES if spec.command not in ("train", "eval")]


def _retry(args: argparse.Namespace) -> frozenset[str]:
    if not getattr(args, "retry", None):
        return frozenset()
    from webpairs_pipeline.fetch.rounds import outcomes_of

    if args.fresh:
        raise RecipeError("--fresh forgets the fetch that --retry would go on with: give only one")
    return outcomes_of(args.retry)


def _one_stage(spec: StageSpec, run: Run, *, is_first: bool, args: argparse.Namespace) -> Made:
    # The limit bounds what enters the command, so it holds for its first stage.
    limited = run if is_first else replace(run, limit=None)
    made = run_stage(spec, limited)
    if not args.json:
        from webpairs_pipeline.report import info_lines, name_of

        for funnel in made.funnels:
            print(table(funnel))
        for line in info_lines(name_of(spec.name, made.funnels), made.info):
            print(line)
        sys.stdout.flush()
    return made


def _funnel_dict(funnel: Any) -> dict[str, Any]:
    return {name: getattr(funnel, name) for name in funnel.__struct_fields__}


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
            },
            ensure_ascii=False,
        )


def _log_to_file(out: Path) -> None:
    handler = logging.FileHandler(out / "run" / "log.jsonl", encoding="utf-8")
    handler.setFormatter(_JsonLines())
    logging.getLogger().addHandler(handler)
