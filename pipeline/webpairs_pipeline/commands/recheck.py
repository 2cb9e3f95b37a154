"""webpairs recheck: the web is asked again what a dataset may keep."""

import argparse
from pathlib import Path
from typing import Any

from webpairs_pipeline.commands.flags import command, output_flags, set_flag


def add(commands: Any) -> None:
    """What it takes."""
    recheck = command(
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
    set_flag(recheck)
    output_flags(recheck)
    recheck.set_defaults(work=work)


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Do it; raises what it raises."""
    from webpairs_pipeline.recheck import RecheckOptions, recheck_shards, summary

    options = RecheckOptions(out=args.out, overrides=args.overrides, is_fresh=args.fresh)
    result = recheck_shards(args.shards, options)
    if not args.json:
        print(summary(result))
        print(result["made"])
    return result
