"""The form of texts and entries in which one is searched for in the other.

MetaCLIP's (`spacing` in its substr_matching.py): , . ; : ? ! ` stand alone between spaces, tabs and
line ends are spaces. Beyond it, so that what looks equal is equal: NFC, spaces in a row are one,
NUL is a space, and letters are lower case unless case counts. What lies between two spaces is a
word here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_STAND_ALONE = ",.;:?!`"
_SPACES = "\t\n\r\0"
_STAND_ALONE_RE = re.compile(f"([{re.escape(_STAND_ALONE)}])")
_SPACES_RE = re.compile(f"[ {_SPACES}]+")
_MARK = b"\0"
"""Ends each text of a slice; `spaced` leaves none inside a text."""
_SLICE_BYTES = 1 << 20
"""Texts worked on at once; measured best of 2^19 to 2^22."""


class Slice(NamedTuple):
    """Some texts, spaced, one behind the other."""

    first_row: int
    n_rows: int
    joined: bytes
    """UTF-8; each text is its words with a space behind each, and ends with NUL and a space."""


def spaced(text: str, *, ignore_case: bool) -> str:
    """The searched form of one text: its words with one space between them, none at the ends."""
    text = unicodedata.normalize("NFC", text)
    if ignore_case:
        text = text.lower()
    return _SPACES_RE.sub(" ", _STAND_ALONE_RE.sub(r" \1 ", text)).strip(" ")


def spaced_slices(texts: pa.Array, *, ignore_case: bool) -> Iterator[Slice]:
    """`spaced` of each text of a string array, in slices of bounded size.

    A null is an empty text; bytes that are no UTF-8 become U+FFFD.
    """
    if pa.types.is_string(texts.type):
        texts = texts.cast(pa.binary())
    elif pa.types.is_large_string(texts.type):
        texts = texts.cast(pa.large_binary())
    ends = np.cumsum(pc.binary_length(texts).fill_null(0).to_numpy(), dtype=np.int64)
    first = 0
    while first < len(texts):
        before = ends[first - 1] if first else 0
        stop = int(np.searchsorted(ends, before + _SLICE_BYTES, side="right"))
        stop = max(stop, first + 1)
        some = texts[first:stop].fill_null(b"").to_pylist()
        yield Slice(first, stop - first, _space(some, ignore_case=ignore_case))
        first = stop


def token_array(joined: bytes) -> pa.Array:
    """The words of a slice as a binary array over its bytes, each with the space behind it."""
    spaces = np.flatnonzero(np.frombuffer(joined, np.uint8) == ord(" "))
    offsets = np.zeros(len(spaces) + 1, np.int32)
    offsets[1:] = spaces + 1
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(joined)]
    return pa.Array.from_buffers(pa.binary(), len(spaces), buffers)


def row_ends(tokens: pa.Array) -> npt.NDArray[np.bool_]:
    """Which tokens of `token_array` end a text: they are no words."""
    ends: npt.NDArray[np.bool_] = pc.equal(tokens, _MARK + b" ").to_numpy(zero_copy_only=False)
    return ends


def padded_texts(joined: bytes) -> list[bytes]:
    """The texts of a slice, one by one, with a space at each end (an empty one is one space)."""
    return (b" " + joined).split(_MARK)[:-1]


def _space(texts: list[bytes], *, ignore_case: bool) -> bytes:
    joined = _MARK.join(texts)
    if joined.count(_MARK) >= len(texts):
        joined = _MARK.join([text.replace(_MARK, b" ") for text in texts])
    # Neither NFC nor lower case looks beyond a NUL, so that the texts need no parting here.
    if not joined.isascii():
        decoded = unicodedata.normalize("NFC", joined.decode("utf-8", "replace"))
        joined = (decoded.lower() if ignore_case else decoded).encode("utf-8")
    elif ignore_case:
        joined = joined.lower()
    for sign in _STAND_ALONE:
        joined = joined.replace(sign.encode(), f" {sign} ".encode())
    for space in _SPACES.replace("\0", ""):
        joined = joined.replace(space.encode(), b" ")
    joined = joined.replace(_MARK, b" \0 ") + b" \0 "
    while b"  " in joined:
        joined = joined.replace(b"  ", b" ")
    return joined.removeprefix(b" ")
