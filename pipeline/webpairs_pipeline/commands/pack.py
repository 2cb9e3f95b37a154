"""webpairs pack: shards from what people have already."""

import argparse
import re
from pathlib import Path
from typing import Any

from webpairs_core.errors import RecipeError
from webpairs_pipeline.commands.flags import command, count, output_flags, set_flag, workers_flag
from webpairs_pipeline.commands.stages import run_specs
from webpairs_pipeline.recipe import Recipe, recipe_from
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import PACK, STAGES
from webpairs_shards.format.manifest import refuse_unfinished_purge

_MAX_BYTES = 200_000_000
_MAX_ASPECT = 1_000_000


def add(commands: Any) -> None:
    """What it takes."""
    pack = command(
        commands,
        "pack",
        "make shards of images and captions that you have already",
        "A SOURCE is a folder of images with a .txt of the same name beside each, a table of image "
        "paths and captions (CSV, TSV, JSON lines, Parquet), a WebDataset (a folder of tars or a "
        "tar); several are merged, and all are shuffled anew.",
    )
    pack.add_argument("sources", type=Path, nargs="+", metavar="SOURCE")
    pack.add_argument("--out", type=Path, required=True, help="where everything goes")
    pack.add_argument(
        "--image-column", default="", metavar="NAME", help="of a table (guessed: file_name, ...)"
    )
    pack.add_argument(
        "--caption-column", default="", metavar="NAME", help="of a table (guessed: caption, ...)"
    )
    pack.add_argument("--limit", type=count, metavar="N", help="at most N rows of the sources")
    pack.add_argument("--fresh", action="store_true", help="start over instead of going on")
    set_flag(pack)
    workers_flag(pack)
    output_flags(pack)
    pack.set_defaults(work=work, command="pack")


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Do it; raises what it raises."""
    out = args.out.resolve()
    sources = tuple(source.resolve() for source in args.sources)
    for source in sources:
        if out.is_relative_to(source):
            raise RecipeError(f"--out {args.out} lies inside of {source}: choose another place")
        if source.is_relative_to(out):
            raise RecipeError(f"{source} lies inside of --out {args.out}, which would replace it")
        refuse_unfinished_purge(source)
    run = Run(
        recipe=_recipe(out.name, args.overrides),
        out=out,
        workers=args.workers,
        limit=args.limit,
        sources=sources,
        image_column=args.image_column,
        caption_column=args.caption_column,
    )
    for name in ("crawl", "filter", "dedup"):
        if run.ledger.stage(name).commits():
            raise RecipeError(
                f"{args.out} holds a crawl, which would be lost: choose another --out"
            )
    return run_specs(run, [PACK, *(spec for spec in STAGES if spec.command == "shard")], args)


def _recipe(name: str, overrides: list[str]) -> Recipe:
    """What pack does with nothing else said: no image is made smaller and no sample dropped."""
    raw: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9_.-]", "-", name).lstrip("_.-") or "packed",
        "crawl": {"optout": "report"},
        "dedup": {"near_duplicate_distance": -1, "same_bytes": False},
        "fetch": {"max_bytes": _MAX_BYTES},
        "image": {"resize": "none", "min_side_px": 1, "max_aspect": _MAX_ASPECT},
    }
    recipe = recipe_from(raw, overrides, "--set")
    if recipe.pair_filters:
        raise RecipeError(
            "--set filters: pack takes filters of samples only; those of pairs judge what a crawl "
            "found, before its images are fetched"
        )
    return recipe
