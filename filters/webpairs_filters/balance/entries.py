"""The metadata list: what the pairs are counted by, read from a file and written to one."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from webpairs_core.errors import RecipeError
from webpairs_filters.balance.spacing import spaced


def load_entries(path: Path, *, ignore_case: bool) -> tuple[str, ...]:
    """The distinct entries of a file, in its order and in their searched form (`spaced`).

    A name that ends in .json holds one JSON list of strings, as MetaCLIP's metadata.json; any
    other, one entry a line in UTF-8. Raises RecipeError for a file that is neither, or empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecipeError(
            f"the entries of [balance] cannot be read from {path}: {error.strerror}"
        ) from None
    text = _decoded(data, path)
    # Only \n ends a line: str.splitlines would cut at characters that may stand in an entry.
    listed = _from_json(text, path) if path.suffix.lower() == ".json" else text.split("\n")
    entries = distinct(listed, ignore_case=ignore_case)
    if not entries:
        raise RecipeError(
            f"{path} holds no entry, so that no pair could be kept: write one entry a line, or "
            'leave [balance] entries = "" to build the list from the corpus'
        )
    return entries


def write_entries(path: Path, entries: Iterable[str]) -> None:
    """One entry a line, in order: what `load_entries` reads."""
    path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")


def distinct(entries: Iterable[str], *, ignore_case: bool) -> tuple[str, ...]:
    """The searched form of each entry, the first of equal ones, none empty."""
    forms = dict.fromkeys(spaced(entry, ignore_case=ignore_case) for entry in entries)
    forms.pop("", None)
    return tuple(forms)


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise RecipeError(
            f"{path}, line {line} is not UTF-8 (byte {error.object[error.start]:#04x}): "
            "save the list as UTF-8"
        ) from None


def _from_json(text: str, path: Path) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError as error:
        raise RecipeError(f"{path} is not a JSON list of strings: {error}") from None
