"""Every filter there is: what `use = "…"` in a recipe may say."""

from typing import get_args

from webpairs_filters.base import PairFilter
from webpairs_filters.text import TextLength

Filter = TextLength
"""The explicit union: type checkers and the recipe decoder know it; a test holds it complete."""
