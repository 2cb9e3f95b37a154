"""Which of several near-duplicate images stays: the largest, then the one with the most informative
text, then the one with the smallest key.

Largest by pixels as published, so that the copy others were shrunk from stays. A text is the more
informative the more different words it has, then the more characters: a caption says more than a
label, and neither repeating a word nor a number makes it say more. Language is not judged: where a
script puts no spaces, a kana or a Han character counts as a word, as in most word counts. Keys are
unique, so this is a total order: what stays depends on the rows, never on the order they come in.

The rank that `near.near_duplicates` wants is the place in this order.
"""

import re

_UNSPACED = r"\x{3040}-\x{30ff}\x{3400}-\x{9fff}"
"""Kana and Han, by the block names of Unicode."""
_BETWEEN = r"\x{0}-@\[-`{-\x{bf}\x{2000}-\x{206f}\x{3000}-\x{303f}\x{ff00}-\x{ff20}"
"""What is no letter in ASCII and Latin-1, and the blocks of punctuation and wide punctuation."""
_WORD = rf"[{_UNSPACED}]|[^{_BETWEEN}{_UNSPACED}]+"
"""In the notation of RE2, spelt out and folded in ASCII only: `re` and RE2 know different editions
of Unicode, and both forms must agree."""
_PLAIN_WORD = re.compile(re.sub(r"\\x\{(\w+)\}", lambda code: chr(int(code[1], 16)), _WORD))
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_FOLD = str.maketrans(_UPPER, _LOWER)

BEST_FIRST = f"""
    original_width::BIGINT * original_height DESC,
    len(list_distinct(regexp_extract_all(translate(text, '{_UPPER}', '{_LOWER}'), '{_WORD}'))) DESC,
    length(text) DESC,
    key
"""
"""The order for DuckDB, to stand behind ORDER BY: over columns of schema samples."""


def n_words(text: str) -> int:
    """How many different words a text has; ASCII case is ignored, numbers are no words."""
    return len(set(_PLAIN_WORD.findall(text.translate(_FOLD))))


def best_first(size: tuple[int, int], text: str, key: bytes) -> tuple[int, int, int, bytes]:
    """What to sort by, the best first: the plain form of BEST_FIRST. `size` is (width, height)."""
    return (-size[0] * size[1], -n_words(text), -len(text), key)
