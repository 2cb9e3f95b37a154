"""webpairs show: the funnel and a sheet of samples, or a preset."""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from webpairs_core.errors import RecipeError
from webpairs_filters.preset import as_recipe, load_preset, preset_names
from webpairs_pipeline.commands.flags import command, output_flags, workers_flag


def add(commands: Any) -> None:
    """What it takes."""
    show = command(
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
    show.set_defaults(work=work)
    workers_flag(show)
    output_flags(show)


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Do it; raises what it raises."""
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
