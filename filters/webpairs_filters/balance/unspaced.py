"""Entries in scripts that put no spaces between words: plain substrings, found by Aho-Corasick.

The automaton is ahocorasick_rs, the quickest of those measured (research/engines.md, section 8).
Such an entry is never ASCII, so that ASCII texts are not looked at.
"""

import re
from array import array
from collections.abc import Sequence
from itertools import repeat
from operator import itemgetter

import ahocorasick_rs
import numpy as np
import numpy.typing as npt

from webpairs_filters.balance.spacing import Slice, padded_texts

_SCRIPTS = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao; Tibetan; Burmese; Khmer
    "\u2e80-\u2fdf\u2ff0-\u2fff\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\U00020000-\U0003ffff"  # Han, the supplementary planes
    "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f]"  # Hiragana and Katakana
)
"""MetaCLIP 2's ranges (`is_cjk_or_similar` in its substr_matching.py) and kana, which it lacks."""


def pattern(entry: str) -> str:
    """What is searched for in a text with a space at each end: the entry, and a space at each end
    whose script puts spaces between words."""
    before = "" if _SCRIPTS.match(entry[0]) else " "
    after = "" if _SCRIPTS.match(entry[-1]) else " "
    return f"{before}{entry}{after}"


def is_spaced(entry: str) -> bool:
    """Whether the entry is whole words at both ends."""
    return not (_SCRIPTS.match(entry[0]) or _SCRIPTS.match(entry[-1]))


_PIECE_BYTES = 4_096


class UnspacedEntries:
    """Finds some entries of a list, given by their numbers in it."""

    def __init__(self, entries: Sequence[str], numbers: npt.NDArray[np.uint32]) -> None:
        self._numbers = numbers
        patterns = [pattern(entries[number]).encode("utf-8") for number in numbers]
        self._n_overlap = max(map(len, patterns), default=1) - 1
        self._automaton = ahocorasick_rs.BytesAhoCorasick(patterns)

    def find(self, piece: Slice) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """(row of the slice, number of the entry) of each match, in no order."""
        rows, found = array("q"), array("I")
        if len(self._numbers) and not piece.joined.isascii():
            find, first = self._automaton.find_matches_as_indexes, itemgetter(0)
            for row, text in enumerate(padded_texts(piece.joined)):
                if text.isascii():
                    continue
                # In pieces, each entry once: a text made for it meets every entry at every place.
                hits: set[int] = set()
                for at in range(0, len(text), _PIECE_BYTES):
                    piece_of_it = text[at : at + _PIECE_BYTES + self._n_overlap]
                    hits.update(map(first, find(piece_of_it, overlapping=True)))
                found.extend(hits)
                rows.extend(repeat(row, len(hits)))
        return (
            np.asarray(rows, np.int64),
            self._numbers[np.asarray(found, np.uint32)],
        )
