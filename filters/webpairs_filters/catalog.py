"""Every filter there is: what `use = "…"` in a recipe may say."""

from webpairs_filters.address import UrlJunk
from webpairs_filters.language import Language
from webpairs_filters.text import TextJunk, TextLength

Filter = TextLength | TextJunk | UrlJunk | Language
"""The explicit union: type checkers and the recipe decoder know it; a test holds it complete."""
