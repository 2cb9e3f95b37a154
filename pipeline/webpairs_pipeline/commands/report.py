"""webpairs report: a run for a person."""

import argparse
from pathlib import Path
from typing import Any

from webpairs_pipeline.commands.flags import command, output_flags, workers_flag


def add(commands: Any) -> None:
    """What it takes."""
    report = command(
        commands,
        "report",
        "write OUT/report.html: the run for a person",
        "Funnels, timings, pictures, training curve and scores in one file.",
    )
    report.add_argument("out", type=Path, help="a run's folder, e.g. out/demo")
    report.set_defaults(work=work)
    workers_flag(report)
    output_flags(report)


def work(args: argparse.Namespace) -> dict[str, Any]:
    """Do it; raises what it raises."""
    from webpairs_pipeline.report import write_html

    target = write_html(args.out)
    if not args.json:
        print(target)
    return {"made": str(target)}
