"""The ImageObjects that a page describes in JSON-LD.

No JSON-LD processor: contexts are not resolved (they would have to be fetched), names are taken as
schema.org's. What counts is any object typed ImageObject, wherever it stands, and the object that
`image` of another thing (Article, Product, Recipe) holds, which often leaves its type out.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

MAX_BYTES = 1_000_000
"""Of all blocks of a page together; the largest of the census has 150 kB."""
MAX_DEPTH = 32
MAX_VALUES = 50_000
"""Objects and lists looked at on one page."""
MAX_OBJECTS = 1_000
"""ImageObjects read of one page."""

_START = re.compile(r"(?<!<!)(?<!CDATA)[\[{]")
_PLACES = frozenset(["image", "photo", "photos", "thumbnail", "primaryImageOfPage"])
_TEXTS = ("caption", "description", "name")
_LENIENT = json.JSONDecoder(strict=False)


class ImageObject(msgspec.Struct, frozen=True):
    """What JSON-LD says of an image, as written: URLs not joined, texts not cleaned."""

    url: str
    texts: tuple[str, ...]
    width: object = None
    height: object = None
    license_url: str = ""


def image_objects(blocks: list[str]) -> Iterator[ImageObject]:
    """The images described in these JSON-LD blocks, in document order; malformed ones give none."""
    bytes_left = MAX_BYTES
    roots = []
    for block in blocks:
        bytes_left -= len(block)
        if bytes_left < 0:
            break
        roots.append(parse(block))
    return islice(_images(roots), MAX_OBJECTS)


def parse(block: str) -> Any:
    """The value of a block; None when no reading of it gives one."""
    try:
        return msgspec.json.decode(block)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        pass
    # Real blocks hold raw line ends in strings, wrappings of old scripts, something after the end.
    start = _START.search(block)
    if start is None:
        return None
    try:
        return _LENIENT.raw_decode(block, start.start())[0]
    except (ValueError, RecursionError):
        return None


def _images(roots: list[Any]) -> Iterator[ImageObject]:
    stack: list[tuple[Any, int, bool]] = [(root, 0, False) for root in reversed(roots)]
    n_values = 0
    while stack and n_values < MAX_VALUES:
        value, depth, is_place = stack.pop()
        n_values += 1
        if isinstance(value, list):
            below = [(item, depth + 1, is_place) for item in value]
        elif isinstance(value, dict):
            if _is_image(value, is_place):
                yield _image_object(value)
            below = [(item, depth + 1, key in _PLACES) for key, item in value.items()]
        else:
            continue
        if depth < MAX_DEPTH:
            stack += [entry for entry in reversed(below) if isinstance(entry[0], dict | list)]


def _is_image(value: dict[str, Any], is_place: bool) -> bool:
    kinds = value.get("@type")
    if kinds is None:
        return is_place and ("url" in value or "contentUrl" in value)
    if not isinstance(kinds, list):
        kinds = [kinds]
    return any(
        isinstance(kind, str) and kind.rpartition("/")[2] == "ImageObject" for kind in kinds[:10]
    )


def _image_object(value: dict[str, Any]) -> ImageObject:
    url = _first_text(value.get("contentUrl")) or _first_text(value.get("url"))
    texts = dict.fromkeys(_first_text(value.get(name)) for name in _TEXTS)
    return ImageObject(
        url,
        tuple(text for text in texts if text and text != url),
        value.get("width"),
        value.get("height"),
        _first_text(value.get("license")),
    )


def _first_text(value: object) -> str:
    """A string, the first string of a list, or what a typed or localised value holds."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("@value") or value.get("url") or value.get("@id")
    return value if isinstance(value, str) else ""
