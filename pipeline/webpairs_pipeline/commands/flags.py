"""Arguments that several sub-commands share."""

import argparse
import os
from typing import Any


def command(commands: Any, name: str, what: str, more: str) -> argparse.ArgumentParser:
    """A sub-command: `what` for the list of all, `more` for its own --help."""
    description = f"{what[0].upper()}{what[1:]}. {more}"
    parser: argparse.ArgumentParser = commands.add_parser(name, help=what, description=description)
    return parser


def workers_flag(parser: argparse.ArgumentParser) -> None:
    """--workers."""
    parser.add_argument(
        "--workers",
        type=count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes; never changes the result (all cores)",
    )


def set_flag(parser: argparse.ArgumentParser) -> None:
    """--set, for what reads a recipe."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        dest="overrides",
        help="override one value of the recipe, e.g. fetch.timeout_s=5",
    )


def output_flags(parser: argparse.ArgumentParser) -> None:
    """--json, -q, -v: every sub-command has them."""
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.add_argument("-v", "--verbose", action="store_true", help="more on stderr")


def count(text: str) -> int:
    """A whole number of 1 or more. Raises ArgumentTypeError."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more, a whole number")
    return value
