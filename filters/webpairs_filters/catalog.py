"""Every filter there is: what `use = "…"` in a recipe may say."""

from webpairs_filters.image.picture import ImageBlank, ImageFile, ImageSize, Similarity
from webpairs_filters.language.language import Language
from webpairs_filters.text.grammar import PartsOfSpeech
from webpairs_filters.text.junk import TextJunk
from webpairs_filters.text.length import TextLength, TextWords
from webpairs_filters.text.repetition import RepeatedChars, RepeatedPhrases, RepeatedWords
from webpairs_filters.text.shape import Capitals, SpecialChars
from webpairs_filters.text.vocabulary import BlockedWords, CommonWords, RareWords, StopWords
from webpairs_filters.url.blocklist import UrlBlocklist
from webpairs_filters.url.junk import UrlJunk
from webpairs_filters.url.parts import UrlParts

OfPairs = (
    TextLength
    | TextWords
    | TextJunk
    | RepeatedWords
    | RepeatedChars
    | RepeatedPhrases
    | SpecialChars
    | Capitals
    | StopWords
    | CommonWords
    | BlockedWords
    | RareWords
    | PartsOfSpeech
    | UrlJunk
    | UrlParts
    | UrlBlocklist
    | Language
)
"""Those that judge before the fetch."""
OfSamples = ImageSize | ImageFile | ImageBlank | Similarity
"""Those that judge after it."""
Filter = OfPairs | OfSamples
"""The explicit union: type checkers and the recipe decoder know it; a test holds it complete."""
