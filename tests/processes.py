"""What this process has: children, descriptors, mapped batches. By /proc, so Linux only."""

import os
import time
from pathlib import Path


def children(parent: int | None = None) -> set[int]:
    """Processes whose parent is `parent`, this one if none is given; also dead ones that nobody
    waited for."""
    parent = parent or os.getpid()
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(words[1]) == parent:
            found.add(int(stat.parent.name))
    return found


def descriptors() -> set[str]:
    """What this process has open."""
    return {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


def mapped_batches() -> list[str]:
    """Lines of /proc/self/maps that are batches of a loader."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if "memfd:webpairs-batch" in line]


def wait_until_gone(pids: set[int]) -> None:
    """Return when none of them is there; AssertionError after half a minute."""
    for _ in range(600):
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return
        time.sleep(0.05)
    raise AssertionError(f"still there: {pids}")
