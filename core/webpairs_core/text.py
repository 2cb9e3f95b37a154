"""The one normal form of text: what a caption is written in and what a key is computed from.

Character references are part of it: `&amp;#8217;` in an attribute, `&quot;` in JSON or in a table
reach us still written out, because they were escaped once more than their reader undoes.
"""

import html
import re
import unicodedata

# Cc, Cf and Cs characters carry no caption text: control codes, bidi marks and overrides (UAX 9),
# soft hyphens, zero-width spaces, byte order marks, surrogates. ZWNJ and ZWJ (200C, 200D) stay:
# they spell Persian and emoji. Written out because asking unicodedata for all takes half a second.
_DROPPED = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e"
    "\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd"
    "\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001"
    "\U000e0020-\U000e007f]+"
)
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
"""With its semicolon: without one, `R&D` and `?a=1&copy=2` would be read as references."""
_AMPERSANDS = re.compile(r"&(?:(?:amp|AMP|#0*38|#[xX]0*26);)+")
_MAX_ROUNDS = 4
"""Honest text is escaped twice, seldom three times."""
MAX_MARKS = 30
"""Combining marks in a row; more are dropped (the stream-safe format of UAX 15, section 13):
to put them into canonical order takes quadratic time."""
_RUN = re.compile(rf"[^\w\s\x00-\x7f]{{{MAX_MARKS + 1},}}")


def normalise_text(text: str) -> str:
    """Decode references, fold whitespace, drop control and format characters, compose to NFC.

    Idempotent. Surrogates are dropped, too.
    """
    if "&" not in text and text.isprintable() and _is_composed(text):  # most texts
        return " ".join(text.split())
    text = _clean(text)
    for _ in range(_MAX_ROUNDS):
        if "&" not in text:
            return text
        decoded = _decode(text)
        if decoded == text:
            return text
        text = _clean(decoded)
    # Still not at its end: written to lead us on. Without ampersands it is at rest.
    return _clean(text.replace("&", " ")) if _decode(text) != text else text


def _is_composed(text: str) -> bool:
    return text.isascii() or (unicodedata.is_normalized("NFC", text) and not _RUN.search(text))


def _clean(text: str) -> str:
    folded = _DROPPED.sub("", " ".join(text.split()))
    if not folded.isascii():
        limited = _RUN.sub(_some_marks, folded)
        folded = unicodedata.normalize("NFC", limited)
        if folded != limited:  # one mark may have become two (U+0344)
            folded = _RUN.sub(_some_marks, folded)
    return " ".join(folded.split())


def _decode(text: str) -> str:
    return _REFERENCE.sub(lambda found: html.unescape(found.group()), _AMPERSANDS.sub("&", text))


def _some_marks(run: re.Match[str]) -> str:
    kept: list[str] = []
    n_marks = 0
    for character in run.group():
        n_marks = n_marks + 1 if unicodedata.combining(character) else 0
        if n_marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)
