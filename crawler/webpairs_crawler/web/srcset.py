"""The srcset attribute, by the algorithm of the HTML standard ("parse a srcset attribute").

Splitting on commas is right on 3 of the 235 cases of the web platform tests: URLs hold commas.
`sizes` is not read: it needs a viewport, and we want the largest picture.
"""

import re
from collections.abc import Iterator

import msgspec

# ASCII whitespace is tab, line feed, form feed, carriage return and space (Infra standard).
_GAP = re.compile(r"[ \t\n\f\r,]*+")
_URL = re.compile(r"[^ \t\n\f\r]++")
# A comma ends a candidate and whitespace a descriptor, but not inside parentheses.
_DESCRIPTORS = re.compile(r"(?:[^,(]|\([^)]*+(?:\)|\Z))*+")
_DESCRIPTOR = re.compile(r"(?:[^ \t\n\f\r(]|\([^)]*+(?:\)|\Z))++")
# What nearly all candidates look like, in one step; whatever else it is, the steps below decide.
# A run of commas belongs to the URL only when more of the URL follows it.
_USUAL = re.compile(
    r"[ \t\n\f\r,]*+((?:[^ \t\n\f\r,]++|,++(?=[^ \t\n\f\r]))++)"
    r"(?:[ \t\n\f\r]++(?:([1-9][0-9]{0,8})w|([0-9]{1,3}(?:\.[0-9]{1,9})?)x))?[ \t\n\f\r]*+(?:,|\Z)"
)
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


def parse_srcset(text: str) -> Iterator[Candidate]:
    """The candidates of a srcset attribute, in document order; faulty ones are left out."""
    position = 0
    while True:
        usual = _USUAL.match(text, position)
        if usual is not None:
            url, width, density = usual.groups()
            yield Candidate(url, int(width or 0), float(density or 1.0))
            position = usual.end()
            continue
        found = _URL.match(text, _GAP.match(text, position).end())  # type: ignore[union-attr]
        if found is None:
            return
        url, position = found.group(), found.end()
        descriptors: list[str] = []
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            region = _DESCRIPTORS.match(text, position)
            assert region is not None  # it may be empty
            descriptors = _DESCRIPTOR.findall(region.group())
            position = region.end()
        candidate = _candidate(url, descriptors)
        if candidate is not None:
            yield candidate


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
