"""The one normal form of text: what a caption is written in and what a key is computed from."""

import re
import unicodedata

# Cc and Cf characters carry no caption text: control codes, bidi marks and overrides (UAX 9), soft
# hyphens, zero-width spaces, byte order marks. ZWNJ and ZWJ stay: they spell Persian and emoji.
_KEPT_FORMAT = {"\u200c", "\u200d"}
_SPACES = re.compile(r"\s+")


def normalise_text(text: str) -> str:
    """Fold whitespace, drop control, format and surrogate characters, compose to Unicode NFC."""
    if text.isascii() and text.isprintable():
        return _SPACES.sub(" ", text).strip()
    spaced = _SPACES.sub(" ", text)
    kept = (
        c for c in spaced if unicodedata.category(c) not in ("Cc", "Cf", "Cs") or c in _KEPT_FORMAT
    )
    return _SPACES.sub(" ", unicodedata.normalize("NFC", "".join(kept))).strip()
