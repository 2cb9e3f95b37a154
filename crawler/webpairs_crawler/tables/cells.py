"""What the cells of a row say: a text, signals, and what else there is as one JSON object."""

import re
from math import isfinite
from typing import Any

import msgspec

from webpairs_crawler.tables.rows import Row

MAX_EXTRA_BYTES = 8_192
"""Of one row's `extra`; the longest values go until it fits."""


def text_of(value: Any) -> str | None:
    """A cell as text: empty for null and NaN, None for bytes that are no UTF-8."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        try:
            return value.decode().strip()
        except UnicodeDecodeError:
            return None
    return str(value)


def signals_of(value: Any) -> list[str] | None:
    """The opt-out signals in a cell; None when it holds anything else, which `extra` carries."""
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return sorted(set(words)) if all(_SIGNAL.fullmatch(word) for word in words) else None


_SIGNAL = re.compile(r"[a-z0-9-]+:[\x21-\x7e]*@[a-z]+")
"""As `webpairs_crawler.optout.signals.signal` writes them."""


def extra_of(row: Row) -> tuple[str, bool]:
    """The columns that are left as one JSON object, empty for none, and whether the longest values
    had to go."""
    extra = _extra(row)
    if len(extra) > MAX_EXTRA_BYTES:
        return _shortened(row).decode(), True
    return extra.decode(), False


def _extra(row: Row) -> bytes:
    """The columns that are left as one JSON object; empty for none. Nulls and NaNs are left out."""
    try:
        # Few rows have nulls, and looking at each value first costs more than encoding.
        encoded = _ENCODER.encode(row)
        if _NULL in encoded:
            encoded = _ENCODER.encode({k: v for k, v in row.items() if _is_told(v)})
    except UnicodeEncodeError:  # a lone surrogate, as JSON can spell it
        encoded = _ENCODER.encode(_without_surrogates(row))
    return encoded if encoded != _EMPTY else b""


_ENCODER = msgspec.json.Encoder(enc_hook=str)
_NULL = b"null"
"""What the encoder writes for None, NaN and the infinities."""
_EMPTY = b"{}"


def _is_told(value: Any) -> bool:
    return value is not None and (type(value) is not float or isfinite(value))


def _shortened(row: Row) -> bytes:
    """`extra` without the longest values, so that it fits."""
    by_length = sorted(row, key=lambda name: len(_extra({name: row[name]})))
    while by_length and len(extra := _extra({n: row[n] for n in row if n in by_length})) > 0:
        if len(extra) <= MAX_EXTRA_BYTES:
            return extra
        by_length.pop()
    return b""


def _without_surrogates(row: Row) -> Row:
    """A row whose names and texts can be written, and nothing else in it."""
    return {
        _writable(name): _writable(value) if isinstance(value, str) else value
        for name, value in row.items()
        if isinstance(value, str | int | float) and _is_told(value)
    }


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()
