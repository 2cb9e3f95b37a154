"""Preferences for the use of content: AIPREF's Content-Usage and Cloudflare's Content-Signal.

Both are dictionaries of RFC 9651 (draft-ietf-aipref-vocab, section "Exemplary Serialization
Format"). Of that grammar only tokens mean something here, but all of it is read: one malformed
member makes a whole line void, and a well-formed one of a kind we do not use must not.
"""

import re

MAX_CHARACTERS = 4096
"""Of one line; a longer one says nothing."""
_AIPREF = frozenset(["train-ai", "ai-use", "search", "train-genai", "ai-output", "ai", "bots"])
LABELS = _AIPREF | {"ai-train", "ai-input"}
"""AIPREF's categories, those of its earlier drafts, and the two that Content-Signal spells its own
way. Others are extensions that nobody has defined yet (vocab: must be ignored)."""

_KEY = r"[a-z*][a-z0-9_.*-]*"
_TOKEN = r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*"  # noqa: S105 - a grammar, no secret
_ITEM = (
    rf"(?:{_TOKEN}"
    r'|"(?:[ !#-\[\]-~]|\\["\\])*"'
    r"|-?[0-9]{1,15}(?:\.[0-9]{1,3})?"
    r"|:[A-Za-z0-9+/=]*:"
    r"|\?[01]"
    r"|@-?[0-9]{1,15}"
    r'|%"(?:[ !#$&-~]|%[0-9a-f]{2})*")'
)
_PARAMETERS = rf"(?:;[ ]*{_KEY}(?:={_ITEM})?)*"
_LIST = rf"\([ ]*(?:{_ITEM}{_PARAMETERS}(?:[ ]+|(?=\))))*\)"
# No two alternatives begin with the same character, so nothing here is tried twice.
_MEMBER = re.compile(rf"({_KEY})(?:=(?:({_ITEM})|{_LIST}))?{_PARAMETERS}")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


def preferences(text: str) -> dict[str, bool]:
    """What one line allows (True) and disallows (False), by label; a malformed line says nothing.

    >>> preferences("train-ai=n, search=y")
    {'train-ai': False, 'search': True}
    """
    text = text.strip(" ")
    if len(text) > MAX_CHARACTERS:
        return {}
    values: dict[str, str] = {}
    at = 0
    while True:
        member = _MEMBER.match(text, at)
        if member is None:
            return {}
        values[member.group(1)] = member.group(2) or ""  # of a repeated key the last one counts
        at = member.end()
        if at == len(text):
            break
        comma = _COMMA.match(text, at)
        if comma is None:
            return {}
        at = comma.end()
    meanings = {"y": True, "yes": True, "n": False, "no": False}
    return {
        label: meanings[value]
        for label, value in values.items()
        if label in LABELS and value in meanings
    }
