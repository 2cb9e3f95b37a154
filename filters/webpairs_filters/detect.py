"""Language detectors: one protocol, so that a recipe can name the one it trusts.

A new detector is one file `detect_NAME.py` with a function `make() -> Detector`, and its name in
`DetectorName`. Files are found by that name, not imported here: reading a recipe loads no detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Literal, NamedTuple, Protocol

DetectorName = Literal["langdetect"]
UNKNOWN = "und"
"""ISO 639-2's code for a language that cannot be said (ISO 639-2, `und`)."""


class Detection(NamedTuple):
    """What a detector says of one text."""

    lang: str
    """ISO 639 code in lower case without region; `und` when it cannot say."""
    score: float
    """0 to 1, in the detector's own measure."""


class Detector(Protocol):
    """Says in which language texts are written."""

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """One detection for each text; depends on that text alone, in every process."""
        ...


@cache
def load_detector(name: DetectorName) -> Detector:
    """The detector of this name, loaded once in each process."""
    detector: Detector = import_module(f"webpairs_filters.detect_{name}").make()
    return detector
