"""webpairs verify: a linter for WebDatasets, ours and those of others."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webpairs_pipeline.commands.flags import command, output_flags, workers_flag

if TYPE_CHECKING:
    from webpairs_shards.check.findings import Finding, Report


def add(commands: Any) -> None:
    """What it takes."""
    verify = command(
        commands,
        "verify",
        "check shards, ours or anyone's",
        "Checksums, counts, order, keys, captions, images, schema, duplicates and the files beside "
        "the tars; says what would hang, fail or mislead which trainer. Exit code 3 with faults.",
    )
    verify.add_argument(
        "shards", type=Path, help="a folder of shards, e.g. out/demo/shards, or one tar"
    )
    verify.add_argument(
        "--quick", action="store_true", help="read of an image no more than its header"
    )
    verify.set_defaults(work=work)
    workers_flag(verify)
    output_flags(verify)


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Do it; raises what it raises."""
    from webpairs_core.errors import ShardCorrupt
    from webpairs_shards.check.verify import verify

    report = verify(args.shards, args.workers, quick=args.quick)
    result = _as_json(report)
    if not args.json:
        _show(report)
    if report.faults:
        if args.json:
            print(json.dumps(result, ensure_ascii=False))
        n = sum(found.n for found in report.faults)
        first = report.faults[0].shard
        raise ShardCorrupt(
            f"{args.shards} has {_count(n, 'fault')}, the first one in {first}: make or get the "
            "shards that are named again"
        )
    if not args.json:
        print(args.shards)
    return result


def _as_json(report: "Report") -> dict[str, Any]:
    import msgspec

    return {
        "layout": report.layout,
        "shards": report.n_shards,
        "samples": report.n_samples,
        "bytes": report.n_bytes,
        "faults": msgspec.to_builtins(report.faults),
        "notices": msgspec.to_builtins(report.notices),
    }


def _show(report: "Report") -> None:
    """Findings of one kind together: faults first, those that hang a reader before all."""
    kinds: dict[str, list[Finding]] = {}
    for found in report.findings:
        kinds.setdefault(found.kind, []).append(found)
    for some in sorted(kinds.values(), key=_gravity):
        first = some[0]
        n = sum(found.n for found in some)
        shards = f" in {len(some):,} files" if len(some) > 1 else ""
        print(f"{first.severity.upper():6} {first.what} [{first.kind}]: {n:,}{shards}")
        place = " ".join([first.shard, *first.keys[:1]])
        print(f"       first: {place}" + (f" ({first.detail})" if first.detail else ""))
        for effect in first.effects:
            print(f"       {effect.reader} {effect.verb}: {effect.how}")
    n_faults, n_notices = (sum(f.n for f in some) for some in (report.faults, report.notices))
    print(
        f"{_count(report.n_shards, 'shard')} ({report.layout}), "
        f"{_count(report.n_samples, 'sample')}: "
        f"{_count(n_faults, 'fault')}, {_count(n_notices, 'notice')}"
    )


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _gravity(some: "list[Finding]") -> tuple[bool, int]:
    verbs = [effect.verb for effect in some[0].effects]
    worst = min((("hangs", "fails", "misleads").index(verb) for verb in verbs), default=3)
    return some[0].severity == "notice", worst
