"""lingua: the most accurate on short texts, at 1 GB of memory. The extra `lingua`."""

from webpairs_core.errors import RecipeError
from webpairs_filters.language.detect import UNKNOWN, Detection, Detector, TextByText


def make() -> Detector:
    """The detector, with all its 75 languages; its models load as texts ask for them.

    Raises RecipeError when the extra is not installed.
    """
    try:
        from lingua import LanguageDetectorBuilder
    except ModuleNotFoundError:
        raise RecipeError(
            'the detector "lingua" is an extra: pip install "webpairs[lingua]", or choose "auto"'
        ) from None
    detector = LanguageDetectorBuilder.from_all_languages().build()

    def look_at(text: str) -> Detection:
        values = detector.compute_language_confidence_values(text)
        found = {value.language.iso_code_639_1.name.lower(): value.value for value in values}
        lang, score = min(found.items(), key=lambda item: (-item[1], item[0]))
        return Detection(lang, min(score, 1.0)) if score > 0 else Detection(UNKNOWN, 0.0)

    return TextByText(look_at)
