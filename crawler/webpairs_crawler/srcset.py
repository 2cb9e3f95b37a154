"""The srcset attribute, by the algorithm of the HTML standard ("parse a srcset attribute").

Splitting on commas is right on 3 of the 235 cases of the web platform tests: URLs hold commas.
`sizes` is not read: it needs a viewport, and we want the largest picture.
"""

import re

import msgspec

_SPACE = " \t\n\f\r"
# Valid non-negative integer; valid floating-point number (HTML standard, "Numbers").
_INTEGER = re.compile(r"[0-9]+\Z")
_FLOAT = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")


class Candidate(msgspec.Struct, frozen=True):
    """One image candidate string."""

    url: str
    """As written: not joined."""
    width: int = 0
    """From a w descriptor, in pixels; 0 without one."""
    density: float = 1.0
    """From an x descriptor, in image pixels per CSS pixel."""


def parse_srcset(text: str) -> list[Candidate]:
    """The candidates of a srcset attribute, in document order; faulty ones are left out."""
    found: list[Candidate] = []
    position, end = 0, len(text)
    while True:
        while position < end and text[position] in _SPACE + ",":
            position += 1
        if position >= end:
            return found
        start = position
        while position < end and text[position] not in _SPACE:
            position += 1
        url = text[start:position]
        descriptors: list[str] = []
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            descriptors, position = _tokenise(text, position)
        candidate = _candidate(url, descriptors)
        if candidate is not None:
            found.append(candidate)


def largest(candidates: list[Candidate]) -> Candidate | None:
    """The candidate with most pixels: the largest w, else the largest x; the first of equals."""
    return max(candidates, key=lambda c: (c.width, c.density), default=None)


def _tokenise(text: str, position: int) -> tuple[list[str], int]:
    """The descriptors after a URL, and where the next candidate starts.

    A comma ends the candidate, but not inside parentheses.
    """
    descriptors, current, depth = [], "", 0
    while position < len(text):
        char = text[position]
        position += 1
        if depth:
            current += char
            depth -= char == ")"
        elif char == ",":
            break
        elif char in _SPACE:
            if current:
                descriptors.append(current)
            current = ""
        else:
            current += char
            depth += char == "("
    if current:
        descriptors.append(current)
    return descriptors, position


def _candidate(url: str, descriptors: list[str]) -> Candidate | None:
    """The candidate that these descriptors make, or None when they break the standard's rules."""
    values: dict[str, float] = {}
    for descriptor in descriptors:
        number, kind = descriptor[:-1], descriptor[-1]
        is_whole = kind in "wh" and _INTEGER.match(number) and number.strip("0")
        is_density = kind == "x" and _FLOAT.match(number) and float(number) >= 0
        if kind in values or not (is_whole or is_density):
            return None
        values[kind] = float(number)
    if "x" in values and len(values) > 1:
        return None
    if "h" in values and "w" not in values:
        return None
    return Candidate(url, int(min(values.get("w", 0), 2**31 - 1)), values.get("x", 1.0))
