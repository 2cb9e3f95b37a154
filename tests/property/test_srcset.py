"""parse_srcset against the standard: its state machine written out, and the public test table."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webpairs_crawler.page.candidates import largest_first
from webpairs_crawler.web.srcset import Candidate, parse_srcset

SPACE = "\t\n\x0c\r "
WPT = Path(__file__).parents[1] / "data" / "wpt_srcset.json"


def by_the_standard(text: str) -> list[Candidate]:
    """HTML standard, 4.8.4.3.10, step by step, one character after the other."""
    position = 0
    candidates: list[Candidate] = []
    while True:
        while position < len(text) and text[position] in SPACE + ",":
            position += 1
        if position >= len(text):
            return candidates
        url = ""
        while position < len(text) and text[position] not in SPACE:
            url += text[position]
            position += 1
        descriptors: list[str] = []
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            descriptors, position = tokenised(text, position)
        candidate = described(url, descriptors)
        if candidate is not None:
            candidates.append(candidate)


def tokenised(text: str, position: int) -> tuple[list[str], int]:
    """The descriptor tokeniser: three states."""
    while position < len(text) and text[position] in SPACE:
        position += 1
    descriptors, current, state = [], "", "in descriptor"
    while True:
        c = text[position] if position < len(text) else None
        if state == "in descriptor":
            if c is not None and c in SPACE:
                if current:
                    descriptors.append(current)
                    current = ""
                    state = "after descriptor"
            elif c == ",":
                position += 1
                return descriptors + ([current] if current else []), position
            elif c == "(":
                current += c
                state = "in parens"
            elif c is None:
                return descriptors + ([current] if current else []), position
            else:
                current += c
        elif state == "in parens":
            if c is None:
                return [*descriptors, current], position
            current += c
            if c == ")":
                state = "in descriptor"
        elif c is None:
            return descriptors, position
        elif c not in SPACE:
            state = "in descriptor"
            continue  # the standard moves back by one
        position += 1


def described(url: str, descriptors: list[str]) -> Candidate | None:
    """The descriptor parser, with its error flag."""
    width = density = height = None
    error = False
    for descriptor in descriptors:
        number, last = descriptor[:-1], descriptor[-1]
        is_integer = re.fullmatch("[0-9]+", number) is not None
        is_float = re.fullmatch(r"-?([0-9]+|[0-9]*\.[0-9]+)([eE][+-]?[0-9]+)?", number) is not None
        if last == "w" and is_integer:
            error |= width is not None or density is not None or int(number) == 0
            width = int(number)
        elif last == "x" and is_float:
            error |= any(v is not None for v in (width, density, height)) or float(number) < 0
            density = float(number)
        elif last == "h" and is_integer:
            error |= height is not None or density is not None or int(number) == 0
            height = int(number)
        else:
            error = True
    if error or (height is not None and width is None):
        return None
    return Candidate(url, min(width or 0, 2**31 - 1), 1.0 if density is None else density)


WORDS = "a b.jpg ( ) 1x 2.5x 0w 640w 1h 1e3x -0x -1x .5x 1.x w x data:,c +1w 1X 01w \u0661w"
PIECES = st.sampled_from([*WORDS.split(), ",", " ", "\t", "\n", "\x0b", "\xa0"])


@given(st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=40)))
@example("a 1w ,b (,) 2x, c")
@example("a (1x")
@example("a\x0c1x")
def test_every_text_parses_as_the_standard_says(text: str) -> None:
    assert list(parse_srcset(text)) == by_the_standard(text)


@pytest.mark.parametrize("parse", [parse_srcset, by_the_standard], ids=["ours", "written out"])
def test_the_table_of_the_web_platform_tests(parse: object) -> None:
    rows = json.loads(WPT.read_text(encoding="utf-8"))["rows"]
    assert len(rows) == 235
    for srcset, expected in rows:
        found = largest_first(parse(srcset))  # type: ignore[operator]
        assert (found[0].url if found else "") == expected, repr(srcset)
