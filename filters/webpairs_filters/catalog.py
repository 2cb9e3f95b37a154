"""Every filter there is: what `use = "…"` in a recipe may say."""

from webpairs_filters.language import Language
from webpairs_filters.text_grammar import PartsOfSpeech
from webpairs_filters.text_junk import TextJunk
from webpairs_filters.text_length import TextLength, TextWords
from webpairs_filters.text_repetition import RepeatedChars, RepeatedPhrases, RepeatedWords
from webpairs_filters.text_shape import Capitals, SpecialChars
from webpairs_filters.text_vocabulary import BlockedWords, CommonWords, RareWords, StopWords
from webpairs_filters.url_blocklist import UrlBlocklist
from webpairs_filters.url_junk import UrlJunk
from webpairs_filters.url_parts import UrlParts

Filter = (
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
"""The explicit union: type checkers and the recipe decoder know it; a test holds it complete."""
