"""webpairs copy: a finished dataset to another place."""

import argparse
from typing import Any

from webpairs_pipeline.commands.flags import command, count, output_flags

_FILES_AT_ONCE = 4


def add(commands: Any) -> None:
    """What it takes."""
    copy = command(
        commands,
        "copy",
        "copy finished shards to or from a bucket, or between folders",
        "FROM and TO are folders of shards: paths or URLs that fsspec opens (s3://bucket/name; "
        "http:// and https:// as FROM). Every file is checked against the manifest, which comes "
        "last; run again, it copies what is missing.",
    )
    copy.add_argument("source", metavar="FROM", help="a finished folder, e.g. out/demo/shards")
    copy.add_argument("target", metavar="TO", help="a folder of its own, e.g. s3://bucket/demo")
    copy.add_argument(
        "--replace",
        action="store_true",
        help="put this dataset in the place of another one at TO; what only the other had is "
        "removed last",
    )
    copy.add_argument(
        "--workers",
        type=count,
        default=_FILES_AT_ONCE,
        metavar="N",
        help=f"files at once ({_FILES_AT_ONCE}); each takes 16 MiB of memory or more",
    )
    output_flags(copy)
    copy.set_defaults(work=work)


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Do it; raises what it raises."""
    import msgspec

    from webpairs_shards.write.copy import copy

    copied = copy(args.source, args.target, workers=args.workers, is_replacing=args.replace)
    if not args.json:
        kept = copied.n_files - copied.n_copied
        removed = f", {copied.n_removed:,} removed" if copied.n_removed else ""
        print(
            f"{copied.n_copied:,} files copied ({copied.n_bytes:,} bytes), {kept:,} were there"
            f"{removed}"
        )
        print(args.target)
    return {**msgspec.structs.asdict(copied), "to": args.target}
