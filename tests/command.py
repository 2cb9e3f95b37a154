"""Run the real command line in a process of its own, as a user does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
Word = str | Path | int
WEBPAIRS = [sys.executable, "-m", "webpairs_pipeline.cli"]

_STOP_AT_STEP = """
import os, signal, sys
from webpairs_core import files
from webpairs_pipeline.cli import main

left = int(sys.argv.pop(1))

def on_step(step):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

files.on_step = on_step
sys.exit(main(sys.argv[1:]))
"""


def webpairs(*words: Word, before: Callable[[], None] | None = None) -> "Finished":
    """Run `webpairs WORDS` to its end. `before` runs in the child before it starts (limits)."""
    done = subprocess.run(
        [*WEBPAIRS, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        preexec_fn=before,
        timeout=280,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


class Finished:
    """How a command ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def sentence(self) -> str:
        """The one line of error; asserts that it is one line and no traceback."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("webpairs: ")]
        assert len(lines) == 1, self.err
        return lines[0]

    def ok(self) -> "Finished":
        """Self, if the command succeeded."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self


def killed_at_step(step: int, *words: Word) -> bool:
    """Run `webpairs WORDS` and kill -9 it before its `step`-th durable operation.

    False when it ended before that. Units run in this one process when --workers is 1.
    """
    done = subprocess.run(
        [sys.executable, "-c", _STOP_AT_STEP, str(step), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=280,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def killed_when(is_time: Callable[[], bool], *words: Word) -> bool:
    """Run `webpairs WORDS` and kill -9 it as soon as `is_time()`; False when it ended before."""
    process = subprocess.Popen(
        [*WEBPAIRS, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    while process.poll() is None:
        if is_time():
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.01)
    assert process.returncode == 0
    return False
