"""What a C2PA manifest says about training: the assertions c2pa.training-mining and
cawg.training-mining (C2PA 1.x and 2.x; CAWG Training and Data Mining Assertion 1.1).

Signatures are not verified. A forged denial costs one picture; to ask for a valid certificate first
would mean to use the pictures of all who have none. For the same reason the manifests of the
ingredients count too: deny wins.
"""

import re
from collections.abc import Iterator
from typing import Any

import cbor2
import msgspec

USES = ("data_mining", "ai_training", "ai_generative_training", "ai_inference")
ANSWERS = ("allowed", "notAllowed", "constrained")

_LABEL = re.compile(rb"(?:c2pa|cawg)\.training-mining(?:\.v\d+)?(?:__\d+)?\0")
_MAX_BOXES = 10_000
_MAX_DEPTH = 16
_MAX_ASSERTION_BYTES = 65_536
_UUID_AND_TOGGLES = 17


def training_uses(store: bytes) -> tuple[tuple[str, str], ...]:
    """(use, answer) of every training assertion in a manifest store, sorted, e.g.
    `("ai_training", "notAllowed")`. Uses and answers that the standards do not name are left out.

    Never raises: broken boxes and broken CBOR say nothing.
    """
    if b".training-mining" not in store:
        return ()
    found = set()
    for content in _assertions(store):
        found |= set(_entries(content))
    return tuple(sorted(found))


def _assertions(store: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(box type, content) of what follows the description of a training assertion."""
    n_boxes = 0
    open_boxes = [(0, len(store), 0)]
    while open_boxes:
        begin, end, depth = open_boxes.pop()
        is_assertion = False
        for name, start, stop in _boxes(store, begin, end):
            n_boxes += 1
            if n_boxes > _MAX_BOXES:
                return
            if name == b"jumd":  # 16 bytes of type, a byte of toggles, the label
                is_assertion = bool(_LABEL.match(store, start + _UUID_AND_TOGGLES, stop))
            elif name == b"jumb" and depth < _MAX_DEPTH:
                open_boxes.append((start, stop, depth + 1))
            elif is_assertion and name in (b"cbor", b"json"):
                # What is longer than that ends in the middle, and so says nothing.
                yield name, store[start : min(stop, start + _MAX_ASSERTION_BYTES)]


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start and end of the content) of the boxes between two places: length, type, an
    8-byte length when the first one is 1 (ISO/IEC 14496-12 §4.2)."""
    while at + 8 <= end:
        length = int.from_bytes(data[at : at + 4], "big")
        head = 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif length == 0:
            length = end - at
        if length < head or at + length > end:
            return
        yield data[at + 4 : at + 8], at + head, at + length
        at += length


def _entries(assertion: tuple[bytes, bytes]) -> Iterator[tuple[str, str]]:
    kind, content = assertion
    try:
        said: Any = cbor2.loads(content) if kind == b"cbor" else msgspec.json.decode(content)
    except (cbor2.CBORDecodeError, msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return
    entries = said.get("entries") if isinstance(said, dict) else None
    if not isinstance(entries, dict):
        return
    for name, entry in entries.items():
        answer = entry.get("use") if isinstance(entry, dict) else None
        use = name.partition(".")[2] if isinstance(name, str) else ""
        if use in USES and answer in ANSWERS:
            yield use, str(answer)
