"""What a command costs with everything that it starts: CPU and wall seconds, peak memory.

`tree_cost` runs the command under this file as a process of its own, which adopts orphans (Linux:
PR_SET_CHILD_SUBREAPER), so that each descendant is reaped and its CPU counted, also helpers that
nobody waits for. Memory is the proportional set size of all of them together, read every 50 ms.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER, prctl(2)."""
_SAMPLE_S = 0.05
_WITH_BYTECODE = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""An editable install without .pyc files compiles itself at each start, which no user's does."""


class TreeCost(NamedTuple):
    """The cost of one finished command and its descendants."""

    wall_s: float
    """To the end of the command itself."""
    cpu_s: float
    peak_mb: float
    """Proportional set size: what is shared is counted once."""
    printed: str
    """What it wrote to stdout."""


def tree_cost(*words: str | Path, env: Mapping[str, str] | None = None) -> TreeCost:
    """Run a command to its end; a failure ends the benchmark with the end of its messages."""
    with tempfile.TemporaryDirectory() as name:
        result, out, errors = (Path(name, kind) for kind in ("result", "stdout", "stderr"))
        with out.open("wb") as stdout, errors.open("wb") as stderr:
            subprocess.run(
                [sys.executable, __file__, result, *words],
                stdout=stdout,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                env={**_WITH_BYTECODE, **(env or {})},
                check=False,
            )
        found = json.loads(result.read_text()) if result.exists() else {"exit": "none"}
        if found.pop("exit"):
            tail = "\n".join(errors.read_text(errors="replace").splitlines()[-20:])
            sys.exit(f"{tail}\nfailed: {' '.join(map(str, words))}")
        return TreeCost(printed=out.read_text(errors="replace"), **found)


def _descendants(root: int) -> Iterator[int]:
    waiting = [root]
    while waiting:
        threads = Path(f"/proc/{waiting.pop()}/task")
        with suppress(OSError):  # it ended meanwhile
            for thread in threads.iterdir():
                found = [int(pid) for pid in (thread / "children").read_text().split()]
                waiting += found
                yield from found


def _pss_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


class _Peak(threading.Thread):
    """The largest sum seen over all descendants of this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.kb = 0
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(_SAMPLE_S):
            self.kb = max(self.kb, sum(_pss_kb(pid) for pid in _descendants(os.getpid())))


def main() -> None:
    """`whole_tree.py RESULT COMMAND...`: run it, write what it cost as JSON into RESULT."""
    result, *command = sys.argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0):
        sys.exit("this kernel lets no process adopt orphans: their CPU would be lost")
    peak = _Peak()
    peak.start()
    began, cpu_s, wall_s, code = time.perf_counter(), 0.0, 0.0, -1
    first = os.posix_spawnp(command[0], command, os.environ)
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu_s += usage.ru_utime + usage.ru_stime
        if pid == first:
            wall_s = time.perf_counter() - began
            code = os.waitstatus_to_exitcode(status)
    peak.is_over.set()
    found = {"wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": peak.kb / 1024, "exit": code}
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
