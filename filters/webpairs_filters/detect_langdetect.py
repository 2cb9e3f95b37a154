"""langdetect, the reference detector: slow (some hundred texts a CPU second), small, offline.

It draws random numbers, so two things are pinned here. Its seed, which it takes anew for each text:
an answer does not depend on the texts before. And the order of its profiles: the library reads them
in the order of the folder on disk, which differs between machines and decides ties.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from langdetect import DetectorFactory, LangDetectException
from langdetect.detector_factory import PROFILES_DIRECTORY

from webpairs_filters.detect import UNKNOWN, Detection, Detector

_CACHED_TEXTS = 65_536


class LangDetect:
    """See the module."""

    def __init__(self) -> None:
        profiles = sorted(Path(PROFILES_DIRECTORY).glob("[a-z]*"))
        self._factory = DetectorFactory()
        self._factory.seed = 0
        self._factory.load_json_profile([path.read_text(encoding="utf-8") for path in profiles])
        self._cached = lru_cache(_CACHED_TEXTS)(self._detect)

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """See `Detector`. The score is langdetect's mean probability over its seven trials."""
        return [self._cached(text) for text in texts]

    def _detect(self, text: str) -> Detection:
        detector = self._factory.create()
        detector.append(text)
        try:
            found = detector.get_probabilities()
        except LangDetectException:
            return Detection(UNKNOWN, 0.0)
        scores: Counter[str] = Counter()
        for language in found:
            # zh-cn and zh-tw are one language in two scripts.
            scores[language.lang.partition("-")[0]] += language.prob
        if not scores:
            return Detection(UNKNOWN, 0.0)
        lang, score = min(scores.items(), key=lambda item: (-item[1], item[0]))
        return Detection(lang, min(score, 1.0))


def make() -> Detector:
    """The detector; reads its 55 profiles."""
    return LangDetect()
