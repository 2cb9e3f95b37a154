"""Letters that the cut of WAT links leaves alone are in their normal form, in any order."""

import sys
import unicodedata

from webpairs_core.text import normalise_text
from webpairs_crawler.archive.wat_links import _CLEAN_LETTERS

CLEAN = [c for c in map(chr, range(sys.maxunicode + 1)) if _CLEAN_LETTERS.fullmatch(c)]


def test_each_letter_is_normal() -> None:
    assert len(CLEAN) > 30_000
    for letter in CLEAN:
        if letter not in " &":
            assert normalise_text(f"a{letter}b{letter}{letter}") == f"a{letter}b{letter}{letter}"


def test_no_letter_joins_what_stands_before() -> None:
    """Only characters of another class than 0, or that end a decomposition, may be composed."""
    ends = {
        chr(int(parts[1], 16))
        for c in map(chr, range(sys.maxunicode + 1))
        if len(parts := unicodedata.decomposition(c).split()) == 2 and not parts[0].startswith("<")
    }
    for letter in CLEAN:
        assert unicodedata.combining(letter) == 0
        assert letter not in ends
        assert unicodedata.normalize("NFC", letter) == letter
