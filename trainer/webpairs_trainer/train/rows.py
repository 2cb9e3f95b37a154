"""The training's numbers: one JSON row for each step, appended as they come."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from webpairs_core import files


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of metrics.jsonl."""

    step: int
    """From 1."""
    epoch: float
    samples: int
    """Samples trained on so far."""
    loss: float
    """Nats; ln(batch_size) when nothing is learned."""
    accuracy: float
    """Of finding one's partner in the batch, mean of both directions, 0..1."""
    lr: float
    logit_scale: float
    """1 / temperature."""
    grad_norm: float | None
    """None where float16's gradients overflowed: the step was passed over."""
    n_same_caption: int
    """Rows whose caption another row of the batch has, too."""
    n_broken: int
    """Damaged images passed over so far."""
    n_tokens: int = 0
    """Length that the batch's texts were computed with: that of the longest."""
    samples_per_s: float
    waiting: float = 0.0
    """Share of the step's time in which the model waited for its batch, 0..1."""


class MetricsLog:
    """metrics.jsonl, open for appending after `n_steps` steps: later rows and half a row, which a
    crash may have left, are cut off."""

    def __init__(self, path: Path, n_steps: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = b"".join(_first_lines(path, n_steps))
        files.write_atomic(path, kept)
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def add(self, row: StepRow) -> None:
        """Append one row."""
        self._file.write(msgspec.json.encode(row) + b"\n")

    def sync(self) -> None:
        """Make the rows so far survive a crash; call before the checkpoint that counts them."""
        with files.disk_errors():
            self._file.flush()
            os.fsync(self._file.fileno())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with files.disk_errors():
            self._file.close()


def read_metrics(path: Path) -> list[StepRow]:
    """All rows of a finished training."""
    return [msgspec.json.decode(line, type=StepRow) for line in path.read_bytes().splitlines()]


def _first_lines(path: Path, n: int) -> list[bytes]:
    if not path.exists():
        return []
    return path.read_bytes().splitlines(keepends=True)[:n]
