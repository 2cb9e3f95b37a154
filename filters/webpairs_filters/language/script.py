"""The language that a text's script tells by itself: Korean, Japanese, Chinese.

Detectors that count n-grams need some words; of these three one letter is enough.
"""

import re

# Unicode's Scripts.txt (UAX #24), the blocks of living text. Not the middle dot and other signs
# that several scripts share.
_HANGUL = re.compile(
    "[\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\uffa1-\uffdc]"
)
_KANA = re.compile(
    "[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fd-\u30ff\u31f0-\u31ff\uff66-\uff9d]"
)
_HAN = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LETTER = re.compile(r"[^\W\d_]")
_WEIGHT = 3
"""A letter of these scripts says about as much as three of an alphabet; UTF-8's own measure."""


def language_of_script(text: str) -> str | None:
    """`ko` for Hangul, `ja` for kana, `zh` for Han alone; None where another script prevails.

    Between Hangul and kana the more frequent decides. Han alone is Chinese though a Japanese text
    can do without kana: on short texts that is right far more often than what n-grams say.
    """
    if text.isascii():
        return None
    n_hangul, n_kana = len(_HANGUL.findall(text)), len(_KANA.findall(text))
    n_han = len(_HAN.findall(text))
    n_here = n_hangul + n_kana + n_han
    if not n_here or n_here * _WEIGHT < len(_LETTER.findall(text)) - n_here:
        return None
    if n_hangul or n_kana:
        return "ko" if n_hangul >= n_kana else "ja"
    return "zh"


def has_letter(text: str) -> bool:
    """False for digits, signs, emoji and nothing: what has no language."""
    return _LETTER.search(text) is not None
