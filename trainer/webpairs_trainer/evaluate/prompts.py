"""Prompt templates: class names → sentences as captions have them (Radford et al. 2021, section
3.1.4)."""

from collections.abc import Sequence
from pathlib import Path

from webpairs_core.errors import RecipeError

PLACES = ("{}", "{c}")
"""What stands for the class name: OpenAI's way and CLIP_benchmark's."""


def load_templates(text: str) -> tuple[str, ...]:
    """The templates that `eval.templates` names: itself when it holds a {} or {c}, else the lines
    of the file at that path (empty lines and lines that start with # are left out).

    Raises RecipeError when there is no such file or a line has no place for the name.
    """
    if any(place in text for place in PLACES):
        return (text,)
    try:
        lines = [line.strip() for line in Path(text).read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise RecipeError(
            f"eval.templates is {text!r}: give a template with {{}} for the class name, "
            "or a file with one on each line"
        ) from None
    templates = tuple(line for line in lines if line and not line.startswith("#"))
    wrong = [line for line in templates if not any(place in line for place in PLACES)]
    if wrong or not templates:
        line = wrong[0] if wrong else "nothing"
        raise RecipeError(f"{text} says {line!r}: each template needs {{}} for the class name")
    return templates


def fill(templates: Sequence[str], name: str) -> list[str]:
    """The sentences for one class name."""
    return [template.replace("{c}", name).replace("{}", name) for template in templates]
