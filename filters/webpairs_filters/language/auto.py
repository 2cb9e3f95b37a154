"""The default: `fast`, and where it is in doubt, langdetect's word too.

fastText leans towards English where it knows few of the words, langdetect away from it. So under
the line both speak: a language's weight is

    p_fast · p_langdetect^0.4 / p_blank^0.7

where p_blank is what fastText says of an empty text. How line and exponents were found, and what
they bring: docs/adr/0012-language.md.
"""

from webpairs_filters.language.detect import UNKNOWN, Detection, Detector, TextByText
from webpairs_filters.language.fast import Fast
from webpairs_filters.language.langdetect import LangDetect
from webpairs_filters.language.script import has_letter, language_of_script

LINE = 0.55
_TRIALS = 2  # of langdetect's seven: half a percent less recall for three times the speed
_CANDIDATES = 8
_FLOOR = 0.02  # nobody's "no" is quite sure
_TRUST = 0.4
_PREJUDICE = 0.7


class Auto:
    """See the module."""

    def __init__(self) -> None:
        self._fast = Fast()
        self._langdetect = LangDetect()

    def look_at(self, text: str) -> Detection:
        """The likeliest language.

        The score is 1.0 where the script tells, fastText's probability from the line on, and under
        it the language's share of all weights.
        """
        if lang := language_of_script(text):
            return Detection(lang, 1.0)
        if not has_letter(text):
            return Detection(UNKNOWN, 0.0)
        by_fast = self._fast.probabilities(text, _CANDIDATES)
        lang, score = next(iter(by_fast.items()))
        return Detection(lang, score) if score >= LINE else self._both(text, by_fast)

    def _both(self, text: str, by_fast: dict[str, float]) -> Detection:
        by_langdetect = self._langdetect.probabilities(text, _TRIALS)
        blank = self._fast.blank
        lang, score = next(iter(by_fast.items()))
        if not by_langdetect and score == blank.get(lang):
            return Detection(UNKNOWN, 0.0)
        weights = {
            lang: (by_fast.get(lang, 0.0) + _FLOOR)
            * (by_langdetect.get(lang, 0.0) + _FLOOR) ** _TRUST
            / (blank.get(lang, 0.0) + _FLOOR) ** _PREJUDICE
            for lang in sorted({*by_fast, *by_langdetect})
        }
        best = max(weights, key=weights.__getitem__)
        return Detection(best, weights[best] / sum(weights.values()))


def make() -> Detector:
    """The detector; reads fastText's model and langdetect's profiles."""
    return TextByText(Auto().look_at)
