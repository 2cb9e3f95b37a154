"""The types of the JSON members, as HF datasets takes them from the first five samples, and what
becomes of a later value that has another one (measured with datasets 5.2.0)."""

from collections.abc import Iterator
from typing import Any

from webpairs_shards.check.pictures import Opinion

N_FIRST = 5
"""Samples of the first shard that decide."""
_MAX_ITEMS = 200
"""Of an object or a list, per value: more are not looked at."""
_TOO_BIG = 2**63
Shape = str | dict[str, Any] | list[Any]
"""null, bool, int, float or str; the shapes of an object's values; that of a list's items."""
_NAMES = {bool: "bool", int: "int", float: "float", str: "str"}


class TypeChange(Exception):
    """Two of the first samples have values of types that Arrow does not join."""


def shape_of(value: Any) -> Shape:
    """The shape of a decoded JSON value. Raises TypeChange for a list of several types."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return {key: shape_of(item) for key, item in _some(value)}
    if isinstance(value, list):
        shape: Shape = "null"
        for item in value[:_MAX_ITEMS]:
            shape = joined(shape, shape_of(item), "[]")
        return [shape]
    return _NAMES[type(value)]


def joined(one: Shape, other: Shape, place: str = "") -> Shape:
    """The shape that holds both: null gives way, objects are joined. Raises TypeChange."""
    if one == "null" or one == other:
        return other
    if other == "null":
        return one
    if isinstance(one, dict) and isinstance(other, dict):
        both = dict(one)
        for key, shape in other.items():
            both[key] = joined(both.get(key, "null"), shape, _inside(place, key))
        return both
    if isinstance(one, list) and isinstance(other, list):
        return [joined(one[0], other[0], f"{place}[]")]
    raise TypeChange(f"{place or 'the whole'}: {_word(one)}, then {_word(other)}")


def changes(value: Any, shape: Shape, place: str = "") -> Iterator[Opinion]:
    """What happens to a later value in a column of that shape."""
    if value is None:
        return
    if shape == "null":
        yield Opinion("json_null_first", f"{place}: {_short(value)}")
    elif isinstance(shape, dict):
        yield from _in_object(value, shape, place)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield Opinion("json_other_type", f"{place}: {_short(value)} in place of a list")
            return
        for item in value[:_MAX_ITEMS]:
            yield from changes(item, shape[0], f"{place}[]")
    else:
        yield from _in_scalar(value, shape, place)


def _in_object(value: Any, shape: dict[str, Any], place: str) -> Iterator[Opinion]:
    if not isinstance(value, dict):
        yield Opinion("json_other_type", f"{place or 'JSON'}: {_short(value)} is no object")
        return
    for key, item in _some(value):
        if key not in shape:
            yield Opinion("json_new_key", _inside(place, key))
        else:
            yield from changes(item, shape[key], _inside(place, key))
    for key in shape:
        if key not in value:
            yield Opinion("json_lost_key", _inside(place, key))


def _in_scalar(value: Any, shape: str, place: str) -> Iterator[Opinion]:
    name = _NAMES.get(type(value), "")
    detail = f"{place}: {_short(value)} in place of {shape}"
    if name == "int" and abs(value) >= _TOO_BIG:
        yield Opinion("json_too_big", detail)
    if name == shape or (shape, name) == ("float", "int"):
        return
    if (shape, name) == ("int", "float"):
        if not value.is_integer():
            yield Opinion("json_rounded", detail)
    elif shape in ("str", "bool") or _converts(value, shape):
        yield Opinion("json_turned", detail)
    else:
        yield Opinion("json_other_type", detail)


def _converts(value: Any, shape: str) -> bool:
    try:
        (int if shape == "int" else float)(value)
    except (TypeError, ValueError):
        return False
    return True


def _some(value: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(value.items())[:_MAX_ITEMS]


def _inside(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _word(shape: Shape) -> str:
    return shape if isinstance(shape, str) else "object" if isinstance(shape, dict) else "list"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"
