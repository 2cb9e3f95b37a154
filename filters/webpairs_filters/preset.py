"""The published rules of known datasets, as data: presets/NAME.toml, each rule with its source.

A preset is a part of a recipe: filters, and keys of other sections. What it cannot do here (a
closed model, a list that is not published) stands in it by name.
"""

import difflib
import json
import tomllib
from importlib.resources import files
from typing import Any

import msgspec

from webpairs_core.errors import RecipeError

_FOLDER = files("webpairs_filters") / "presets"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published rule and what it is here."""

    rule: str
    source: str
    filter: dict[str, Any] = {}
    """An entry of `[[filters]]`."""
    set: dict[str, Any] = {}
    """Values by `section.key` of the recipe."""


class Missing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published rule that is not applied."""

    rule: str
    why: str


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule set; its version counts the changes of what it does."""

    what: str
    version: int
    paper: str
    rules: tuple[Rule, ...]
    missing: tuple[Missing, ...] = ()


def preset_names() -> list[str]:
    """Those that `preset = "…"` may say."""
    return sorted(path.name.removesuffix(".toml") for path in _FOLDER.iterdir())


def load_preset(name: str) -> Preset:
    """Raises RecipeError with the nearest spelling when there is none of this name."""
    names = preset_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        raise RecipeError(f"there is no preset {name!r}; {hint}")
    text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Preset)


def merge_into(raw: dict[str, Any], preset: Preset) -> None:
    """Complete a parsed recipe: its own keys win, its own filters come after the preset's."""
    own = raw.get("filters", [])
    if not isinstance(own, list):
        return  # the decoder says what is wrong
    for rule in preset.rules:
        for place, value in rule.set.items():
            section, key = place.split(".")
            if isinstance(own_section := raw.setdefault(section, {}), dict):
                own_section.setdefault(key, value)
    raw["filters"] = [*(dict(rule.filter) for rule in preset.rules if rule.filter), *own]


def as_recipe(name: str, preset: Preset) -> str:
    """A preset as the part of a recipe that it is, for a person to read or to copy and change."""
    lines = [f"# {name}, version {preset.version}: {preset.what}", f"# {preset.paper}"]
    sections: dict[str, list[str]] = {}
    for rule in preset.rules:
        note = [f"# {rule.rule}", f"#   {rule.source}"]
        if rule.filter:
            lines += ["", *note, "[[filters]]"]
            lines += [f"{key} = {_toml(value)}" for key, value in rule.filter.items()]
        for place, value in rule.set.items():
            section, key = place.split(".")
            sections.setdefault(section, []).extend([*note, f"{key} = {_toml(value)}"])
    for section, values in sections.items():
        lines += ["", f"[{section}]", *values]
    if preset.missing:
        lines += ["", "# Not done here:"]
        lines += [f"# - {each.rule}: {each.why}" for each in preset.missing]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Words, numbers and lists of words: in TOML they are what they are in JSON."""
    return json.dumps(value, ensure_ascii=False)
