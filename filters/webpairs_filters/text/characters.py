"""Characters as the text rules see them: of what kind each is, and what it is folded to.

The plain rules ask for one character at a time (`kind_of`, `fold`); the vectorised ones hold a
whole batch as code points and look them up in tables filled by the same functions, so that the two
cannot disagree. What is written together with no spaces between words is told by script.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

WORD = 1
"""Letters, marks and numbers: Unicode's general categories L, M, N (UAX 44, table 12)."""
LETTER = 2
"""Letters and marks alone: categories L and M."""
SPACE = 4
"""What `str.split` splits at."""
CAPITAL = 8
"""Upper and title case letters: Lu, Lt."""
SMALL = 16
"""Lower case letters: Ll."""
ALONE = 32
"""A letter or number of a script written without spaces: a word of its own."""
TAIL = 64
"""A mark of such a script: it belongs to the character before it."""
_UNKNOWN = 128

_KEPT_BYTES = 31 << 20

_UNSPACED = (
    # Line breaking classes ID and CJ (Han, kana, bopomofo), UAX 14.
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3031, 0x3035),
    (0x3038, 0x312F),
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
    # Class SA: Thai, Lao, Myanmar, Khmer, Tai Le, New Tai Lue, Tai Tham, Tai Viet.
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x1950, 0x19DF),
    (0x1A20, 0x1AAF),
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAADF),
)
"""First and last code point of scripts without spaces between words. Hangul has spaces; Tibetan
ends each syllable with a mark, so that a phrase of it is one word here."""


@cache
def kind_of(character: str) -> int:
    """The bits above that hold of one character."""
    category = unicodedata.category(character)
    kind = 0
    if category[0] in "LMN":
        kind |= WORD
    if category[0] in "LM":
        kind |= LETTER
    if character.isspace():
        kind |= SPACE
    if category in ("Lu", "Lt"):
        kind |= CAPITAL
    if category == "Ll":
        kind |= SMALL
    if kind & WORD and any(first <= ord(character) <= last for first, last in _UNSPACED):
        kind |= TAIL if category[0] == "M" else ALONE
    return kind


@cache
def fold_character(character: str) -> str:
    """The case-folded character where that is one character; else its lower case; else itself.

    One for one, so that a fold moves nothing: `ß` stays, `Σ` and `ς` both become `σ`. The
    apostrophe of print (U+2019) becomes that of typewriters, so that "don’t" is one word only.
    """
    if character == "\u2019":
        return "'"
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


def fold(text: str) -> str:
    """Each character folded."""
    return text.lower() if text.isascii() else "".join(map(fold_character, text))


class Characters(NamedTuple):
    """All characters of the texts of a batch, one after another."""

    points: npt.NDArray[np.uint32]
    """Code points; shape (characters,)."""
    kinds: npt.NDArray[np.uint8]
    """`kind_of` each; shape (characters,)."""
    bounds: npt.NDArray[np.int64]
    """Text i is `points[bounds[i]:bounds[i + 1]]`; shape (texts + 1,)."""


def characters_of(texts: pa.StringArray) -> Characters:
    """The characters of a string array without nulls."""
    import numpy as np
    import pyarrow.compute as pc

    bounds = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(pc.utf8_length(texts).to_numpy(), out=bounds[1:])
    data = memoryview(b"")
    if bounds[-1]:
        first, last = (
            np.frombuffer(texts.buffers()[1], np.int32)[texts.offset + place]
            for place in (0, len(texts))
        )
        data = memoryview(texts.buffers()[2])[first:last]
    points = np.frombuffer(str(data, "utf-8").encode("utf-32-le"), np.uint32)
    kinds, _ = _tables()
    found = kinds.take(points, mode="clip")
    if (found & _UNKNOWN).any():
        _learn(np.unique(points[found == _UNKNOWN]))
        found = kinds.take(points, mode="clip")
    return Characters(points, found, bounds)


def folded(characters: Characters) -> npt.NDArray[np.uint32]:
    """The code points of `fold_character`; shape (characters,)."""
    _, folds = _tables()
    return folds.take(characters.points, mode="clip")


def count(mask: npt.NDArray[np.bool_], bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many are true in each row `mask[bounds[i]:bounds[i + 1]]`."""
    import numpy as np

    before = np.zeros(len(mask) + 1, np.int64)
    np.cumsum(mask, out=before[1:])
    at = before[bounds]
    return at[1:] - at[:-1]


@cache
def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """Kind and fold of each code point. Filled as characters are met: to ask Python's tables for
    all of Unicode takes half a second, and texts use little of it."""
    import numpy as np

    # glibc hands memory of this size back to the system at each release, until it has released one
    # block of up to 32 MiB; then it keeps what is smaller (mallopt(3), M_MMAP_THRESHOLD). Without
    # this a fifth of the time goes into page faults. The block itself is never touched.
    np.empty(_KEPT_BYTES, np.uint8)
    return np.full(0x110000, _UNKNOWN, np.uint8), np.arange(0x110000, dtype=np.uint32)


def _learn(points: npt.NDArray[np.uint32]) -> None:
    kinds, folds = _tables()
    for point in points.tolist():
        kinds[point] = kind_of(chr(point))
        folds[point] = ord(fold_character(chr(point)))
