"""webpairs index: indexes of the shards for other loaders."""

import argparse
from pathlib import Path
from typing import Any

from webpairs_pipeline.commands.flags import command, output_flags


def add(commands: Any) -> None:
    """What it takes."""
    index = command(
        commands,
        "index",
        "write indexes of shards for other loaders",
        "The tars stay as they are; docs/streaming.md shows how each loader takes its index.",
    )
    index.add_argument("shards", type=Path, help="a folder of shards, e.g. out/demo/shards")
    index.add_argument(
        "--dali",
        type=Path,
        required=True,
        metavar="DIR",
        help="where to put a .idx for each tar, as NVIDIA DALI's fn.readers.webdataset wants it",
    )
    index.set_defaults(work=work)
    output_flags(index)


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Do it; raises what it raises."""
    from webpairs_shards.read.dali import write_dali_indexes

    n = write_dali_indexes(args.shards, args.dali)
    if not args.json:
        print(f"{n} indexes of v1.2")
        print(args.dali)
    return {"made": str(args.dali), "indexes": n}
