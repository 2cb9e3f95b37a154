"""Every filter there is: what `use = "…"` in a recipe may say."""

from webpairs_filters.address import UrlJunk
from webpairs_filters.language import Language
from webpairs_filters.picture import ImageBlank, ImageFile, ImageSize, Similarity
from webpairs_filters.text import TextJunk, TextLength

OfPairs = TextLength | TextJunk | UrlJunk | Language
"""Those that judge before the fetch."""
OfSamples = ImageSize | ImageFile | ImageBlank | Similarity
"""Those that judge after it."""
Filter = OfPairs | OfSamples
"""The explicit union: type checkers and the recipe decoder know it; a test holds it complete."""
