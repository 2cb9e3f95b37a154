"""webpairs verify: shards held against their manifest."""

import argparse
import sys
from pathlib import Path
from typing import Any

from webpairs_pipeline.commands.flags import command, output_flags, workers_flag


def add(commands: Any) -> None:
    """What it takes."""
    verify = command(
        commands,
        "verify",
        "re-read shards and compare with their manifest",
        "Checksums, counts, keys, captions and images, one line for each fault.",
    )
    verify.add_argument("shards", type=Path, help="a folder of shards, e.g. out/demo/shards")
    verify.set_defaults(work=work)
    workers_flag(verify)
    output_flags(verify)


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Do it; raises what it raises."""
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
