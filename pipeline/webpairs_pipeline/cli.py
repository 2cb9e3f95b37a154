"""The command line: arguments and exit codes, nothing else.

stdout carries the result and stderr the progress. Exit codes: 0 done, 1 bug, 2 usage or recipe,
3 data damaged, 4 nothing left after the filters, 130 interrupted (the same command goes on).
"""

import argparse
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
from msgspec.structs import replace

from webpairs_core import __version__
from webpairs_core.errors import RecipeError, WebpairsError
from webpairs_core.files import disk_errors
from webpairs_core.funnel import table
from webpairs_core.process import without_pandas
from webpairs_filters.preset import as_recipe, load_preset, preset_names
from webpairs_pipeline.recipe import Recipe, load_recipe
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import COMMANDS, STAGES, StageSpec, run_stage
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


def command() -> int:
    """`main` in a process of its own."""
    without_pandas()
    return main()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; the only place that turns errors into words."""
    args = _parser().parse_args(argv)
    _log_to_stderr(args)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with disk_errors():
            result: dict[str, Any] = args.work(args)
    except WebpairsError as error:
        if args.verbose:
            traceback.print_exc()
        print(f"webpairs: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("webpairs: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the outermost boundary
        traceback.print_exc()
        kind = type(error).__name__
        print(f"webpairs: this is a bug ({kind}); please report the lines above", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="webpairs",
        description="Image-text datasets from the web, and a CLIP trained on them.",
    )
    parser.add_argument("--version", action="version", version=f"webpairs {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        _stage_command(commands.add_parser(name, help=_WHAT[name], description=_WHAT[name]), name)
    everything = f"{', '.join(COMMANDS)}: all of them, in this order"
    _stage_command(commands.add_parser("run", help=everything, description=everything), "run")

    verify = _command(
        commands,
        "verify",
        "re-read shards and compare with their manifest",
        "Checksums, counts, keys, captions and images, one line for each fault.",
    )
    verify.add_argument("shards", type=Path, help="a folder of shards, e.g. out/demo/shards")
    verify.set_defaults(work=_verify)
    show = _command(
        commands,
        "show",
        "print the funnel, draw a contact sheet of samples",
        "The sheet is contact_sheet.png beside the folder of shards.",
    )
    show.add_argument(
        "shards", type=Path, help="a folder of shards, e.g. out/demo/shards; or the word preset"
    )
    show.add_argument("name", nargs="?", help="of a preset: datacomp-basic; without it, their list")
    show.add_argument("--samples", type=int, default=48, help="pictures on the sheet (48)")
    show.set_defaults(work=_show)
    report = _command(
        commands,
        "report",
        "write OUT/report.html: the run for a person",
        "Funnels, timings, pictures, training curve and scores in one file.",
    )
    report.add_argument("out", type=Path, help="a run's folder, e.g. out/demo")
    report.set_defaults(work=_report)
    recheck = _command(
        commands,
        "recheck",
        "ask the web again what a dataset may keep",
        "Asks for headers only and changes nothing: it lists what must go.",
    )
    recheck.add_argument("shards", type=Path, help="a folder of shards, e.g. out/demo/shards")
    recheck.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the list of what must go: .csv, .jsonl or .parquet (recheck.csv beside SHARDS)",
    )
    recheck.add_argument("--fresh", action="store_true", help="start over instead of going on")
    _set_flag(recheck)
    _output_flags(recheck)
    recheck.set_defaults(work=_recheck)
    for sub in (verify, show, report):
        _workers_flag(sub)
        _output_flags(sub)
    return parser


def _command(commands: Any, name: str, what: str, more: str) -> argparse.ArgumentParser:
    description = f"{what[0].upper()}{what[1:]}. {more}"
    parser: argparse.ArgumentParser = commands.add_parser(name, help=what, description=description)
    return parser


def _stage_command(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("recipe", type=Path, help="a TOML file, e.g. recipes/demo.toml")
    parser.add_argument("--out", type=Path, help="where everything goes (out/NAME of the recipe)")
    _set_flag(parser)
    _workers_flag(parser)
    parser.add_argument(
        "--limit", type=_count, metavar="N", help="at most N of what enters this command"
    )
    parser.add_argument("--fresh", action="store_true", help="start over instead of going on")
    if name == "fetch":
        parser.add_argument(
            "--retry",
            metavar="OUTCOMES",
            help="ask again for images of a finished fetch with these outcomes: timeout,http_5xx "
            "(docs/outcomes.md has them all)",
        )
    _output_flags(parser)
    parser.set_defaults(work=_stages, command=name)


def _workers_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes; never changes the result (all cores)",
    )


def _set_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        dest="overrides",
        help="override one value of the recipe, e.g. fetch.timeout_s=5",
    )


def _output_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.add_argument("-v", "--verbose", action="store_true", help="more on stderr")


def _count(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more, a whole number")
    return value


def _stages(args: argparse.Namespace) -> dict[str, Any]:
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
    made: dict[str, Made] = {}
    with run.ledger.lock():
        _log_to_file(out)
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
        from webpairs_pipeline.report import info_lines

        for funnel in made.funnels:
            print(table(funnel))
        for line in info_lines(spec.name, made.info):
            print(line)
        sys.stdout.flush()
    return made


def _funnel_dict(funnel: Any) -> dict[str, Any]:
    return {name: getattr(funnel, name) for name in funnel.__struct_fields__}


def _verify(args: argparse.Namespace) -> dict[str, Any]:
    from webpairs_core.errors import ShardCorrupt
    from webpairs_shards.check.verify import verify

    checked = verify(args.shards, args.workers)
    if checked.faults:
        for fault in checked.faults[:100]:
            place = f"{fault.shard} {fault.key}".strip()
            print(f"{place}: {fault.sentence}", file=sys.stderr)
        raise ShardCorrupt(
            f"{args.shards} has {len(checked.faults)} faults in {checked.n_shards} shards; "
            "delete the shards named above and run `webpairs shard` again"
        )
    if not args.json:
        print(f"{checked.n_shards} shards, {checked.n_samples:,} samples: all as the manifest says")
        print(args.shards)
    return {"shards": checked.n_shards, "samples": checked.n_samples, "faults": []}


def _show(args: argparse.Namespace) -> dict[str, Any]:
    if args.shards == Path("preset") and not args.shards.exists():
        return _show_preset(args)
    if args.name:
        raise RecipeError(f"show takes one folder of shards, or the words preset {args.name}")
    from webpairs_pipeline.report import show

    return show(args.shards, args.samples, is_quiet=args.json)


def _show_preset(args: argparse.Namespace) -> dict[str, Any]:
    if not args.name:
        presets = {name: load_preset(name).what for name in preset_names()}
        if not args.json:
            for name, what in presets.items():
                print(f"{name:<16} {what}")
        return {"presets": presets}
    preset = load_preset(args.name)
    if not args.json:
        print(as_recipe(args.name, preset), end="")
    shown: dict[str, Any] = msgspec.to_builtins(preset)
    return shown


def _report(args: argparse.Namespace) -> dict[str, Any]:
    from webpairs_pipeline.report import write_html

    target = write_html(args.out)
    if not args.json:
        print(target)
    return {"made": str(target)}


def _recheck(args: argparse.Namespace) -> dict[str, Any]:
    from webpairs_pipeline.recheck import RecheckOptions, recheck_shards, summary

    options = RecheckOptions(out=args.out, overrides=args.overrides, is_fresh=args.fresh)
    result = recheck_shards(args.shards, options)
    if not args.json:
        print(summary(result))
        print(result["made"])
    return result


def _log_to_stderr(args: argparse.Namespace) -> None:
    level = logging.WARNING if args.quiet else logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
    for name in ("webpairs", "core", "crawler", "filters", "shards", "trainer", "pipeline"):
        logging.getLogger(name if name == "webpairs" else f"webpairs_{name}").setLevel(level)


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


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(command())
