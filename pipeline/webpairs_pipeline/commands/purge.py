"""webpairs purge: samples taken out of finished shards."""

import argparse
from pathlib import Path
from typing import Any

from webpairs_pipeline.commands.flags import command, output_flags, workers_flag

_LISTS = {
    "url": "of addresses of images",
    "page": "of addresses of pages whose samples go",
    "domain": "of domains whose images go, with all that lies under them",
    "page-domain": "of domains on whose pages the samples that go were found",
    "key": "of keys, 32 hex digits",
    "sha256": "of SHA-256 of image files as they were received",
    "phash": "of perceptual hashes, 16 hex digits",
}
_MAX_DISTANCE = 16


def add(commands: Any) -> None:
    """What it takes."""
    purge = command(
        commands,
        "purge",
        "remove samples from finished shards",
        "Each FILE holds one entry a line. Only shards that hold what is listed are written again; "
        "purged.jsonl beside them says what went. Killed at any moment, the same command goes on.",
    )
    purge.add_argument(
        "shards",
        type=Path,
        nargs="+",
        metavar="SHARDS",
        help="out/NAME/shards, out/NAME/validation",
    )
    for name, what in _LISTS.items():
        purge.add_argument(
            f"--{name}", action="append", default=[], metavar="FILE", help=f"a list {what}"
        )
    purge.add_argument(
        "--phash-distance",
        type=_distance,
        default=4,
        metavar="N",
        help="bits of 64 up to which a picture is the one of --phash (4; 0: equal hashes)",
    )
    purge.add_argument("--dry-run", action="store_true", help="say what would go, change nothing")
    workers_flag(purge)
    output_flags(purge)
    purge.set_defaults(work=work)


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Do it; raises what it raises."""
    from webpairs_filters.removal import Removal
    from webpairs_pipeline.purge import PurgeOptions, purge, summary

    lists = {name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in _LISTS}
    removal = Removal(
        phash_distance=args.phash_distance, **{name: tuple(paths) for name, paths in lists.items()}
    )
    options = PurgeOptions(removal=removal, workers=args.workers, is_dry_run=args.dry_run)
    result = purge(args.shards, options)
    if not args.json:
        print(summary(result))
        print(result["made"])
    return result


def _distance(text: str) -> int:
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value <= _MAX_DISTANCE:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {_MAX_DISTANCE}")
    return value
