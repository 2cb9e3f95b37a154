"""Language detectors: one protocol, so that a recipe can name the one it trusts.

A new detector is one file `NAME.py` with a function `make() -> Detector`, and its name in
`DetectorName`. Files are found by that name, not imported here: reading a recipe loads no detector.
Which one is how good at what: docs/adr/0012-language.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib import import_module
from typing import Literal, NamedTuple, Protocol

DetectorName = Literal["auto", "fast", "langdetect", "lingua"]
MAX_READ_CHARS = 2_000
"""A detector reads a text this far: the language of a caption shows long before, and a text of a
megabyte costs no more than a page."""
_REMEMBERED_TEXTS = 65_536
_MAX_REMEMBERED_CHARS = 200  # what repeats is short; 65,536 texts of this length are 30 MB or less
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


class TextByText:
    """Makes a detector of a function that looks at one text: says it once for a text that repeats.

    The function gets the first `MAX_READ_CHARS` characters. What it said of the short texts asked
    for last is remembered, 65,536 of them, so its answer must depend on the text alone.
    """

    def __init__(self, look_at: Callable[[str], Detection]) -> None:
        self._look_at = look_at
        self._remembered = lru_cache(_REMEMBERED_TEXTS)(look_at)

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """See `Detector`."""
        return [
            self._remembered(text)
            if len(text) <= _MAX_REMEMBERED_CHARS
            else self._look_at(text[:MAX_READ_CHARS])
            for text in texts
        ]


@cache
def load_detector(name: DetectorName) -> Detector:
    """The detector of this name, loaded once in each process.

    Raises RecipeError with the way to install it when it is an extra that is not there.
    """
    detector: Detector = import_module(f"webpairs_filters.language.{name}").make()
    return detector
