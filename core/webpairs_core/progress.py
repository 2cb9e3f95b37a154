"""Progress for a person: a bar on a terminal, one line each ten seconds elsewhere, on stderr."""

import logging
import sys
import time
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm

log = logging.getLogger(__name__)
_LINE_EVERY_S = 10.0
_NOTED = "{desc}: {n_fmt}/{total_fmt}{postfix}"
"""A bar with a note, which tells rate and time left itself."""


class Progress:
    """Counts `noun`s of a stage: `with Progress("fetch", "candidates", total) as p: p.add(1)`."""

    def __init__(self, stage: str, noun: str, total: int | None = None) -> None:
        self._stage = stage
        self._noun = noun
        self._total = total
        self._n = 0
        self._note = ""
        self._started = self._last = time.monotonic()
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        if log.isEnabledFor(logging.INFO) and sys.stderr.isatty():
            self._bar = tqdm(
                desc=self._stage, unit=f" {self._noun}", total=self._total, dynamic_ncols=True
            )
        return self

    def add(self, n: int, note: str = "") -> None:
        """`n` more are done; `note` is a short state to show beside the count."""
        self._n += n
        self._note = note or self._note
        if self._bar is not None:
            if self._note:
                self._bar.bar_format = _NOTED
            self._bar.set_postfix_str(self._note, refresh=not n)
            self._bar.update(n)
        elif time.monotonic() - self._last >= _LINE_EVERY_S:
            self._line()

    def _line(self) -> None:
        self._last = time.monotonic()
        rate = self._n / max(self._last - self._started, 1e-9)
        of = f" of {self._total:,}" if self._total else ""
        tail = f"; {self._note}" if self._note else ""
        log.info("%s: %s%s %s, %.1f/s%s", self._stage, f"{self._n:,}", of, self._noun, rate, tail)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
