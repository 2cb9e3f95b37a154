"""The command line: exit codes and the way of errors, nothing else. What each sub-command takes and
does is in `commands/`.

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
from types import FrameType
from typing import Any

from webpairs_core import __version__
from webpairs_core.errors import WebpairsError
from webpairs_core.files import disk_errors
from webpairs_core.process import without_pandas
from webpairs_pipeline.commands import (
    copy,
    index,
    pack,
    purge,
    recheck,
    report,
    show,
    stages,
    verify,
)

_COMMANDS = (stages, pack, verify, copy, show, report, recheck, purge, index)


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
    for each in _COMMANDS:
        each.add(commands)
    return parser


def _log_to_stderr(args: argparse.Namespace) -> None:
    level = logging.WARNING if args.quiet else logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
    for name in ("webpairs", "core", "crawler", "filters", "shards", "trainer", "pipeline"):
        logging.getLogger(name if name == "webpairs" else f"webpairs_{name}").setLevel(level)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(command())
