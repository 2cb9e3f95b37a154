"""Unit functions for test_engine: in a module that a spawned worker can import."""

import os
import signal
from pathlib import Path

from webpairs_core.errors import WebpairsError


def square(n: int) -> int:
    return n * n


def die_once(marker: Path) -> str:
    """Kill the worker the first time this unit runs."""
    if not marker.exists():
        marker.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return marker.name


def always_die(n: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return n


def fail(n: int) -> int:
    if n == 2:
        raise WebpairsError("unit two has a reason")
    return n
