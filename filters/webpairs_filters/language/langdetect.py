"""langdetect, the reference detector: slow (some hundred texts a CPU second), small, offline.

It draws random numbers, so two things are pinned here. Its seed, which it takes anew for each text:
an answer does not depend on the texts before. And the order of its profiles: the library reads them
in the order of the folder on disk, which differs between machines and decides ties.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from langdetect import DetectorFactory, LangDetectException
from langdetect.detector_factory import PROFILES_DIRECTORY

from webpairs_filters.language.detect import UNKNOWN, Detection, Detector, TextByText

_TRIALS = 7  # the library's own number


class LangDetect:
    """See the module."""

    def __init__(self) -> None:
        profiles = sorted(Path(PROFILES_DIRECTORY).glob("[a-z]*"))
        self._factory = DetectorFactory()
        self._factory.seed = 0
        self._factory.load_json_profile([path.read_text(encoding="utf-8") for path in profiles])

    def look_at(self, text: str) -> Detection:
        """The likeliest language, with langdetect's mean probability over its seven trials."""
        scores = self.probabilities(text)
        if not scores:
            return Detection(UNKNOWN, 0.0)
        lang, score = min(scores.items(), key=lambda item: (-item[1], item[0]))
        return Detection(lang, min(score, 1.0))

    def probabilities(self, text: str, trials: int = _TRIALS) -> Mapping[str, float]:
        """The mean probability of each language above 0.1; nothing for a text without letters.

        Fewer trials cost less: nearly all of the time goes into them.
        """
        detector = self._factory.create()
        detector.n_trial = trials
        detector.append(text)
        try:
            found = detector.get_probabilities()
        except LangDetectException:
            return {}
        scores: Counter[str] = Counter()
        for language in found:
            # zh-cn and zh-tw are one language in two scripts.
            scores[language.lang.partition("-")[0]] += language.prob
        return scores


def make() -> Detector:
    """The detector; reads its 55 profiles."""
    return TextByText(LangDetect().look_at)
