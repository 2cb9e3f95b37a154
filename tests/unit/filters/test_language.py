import pytest

from pairs_fixture import batch_of, make_pair
from webpairs_filters.language.detect import Detection, DetectorName, load_detector
from webpairs_filters.language.language import Language

TEXTS = {
    "The quick brown fox jumps over the lazy dog near the river": "en",
    "부엌 창가에 앉아 있는 고양이": "ko",
    "夕方の海岸を走っている犬": "ja",
    "Ein Hund läuft am Abend über den Strand": "de",
    "Un perro corre por la playa al atardecer": "es",
    "一只狗在傍晚的海滩上奔跑": "zh",
    "12345 67890": "und",
    "": "und",
}


@pytest.mark.parametrize(
    ("language", "kept"),
    [
        (Language(), list(TEXTS)),
        (Language(min_score=1.0), list(TEXTS)),
        (Language(keep=("en",)), [text for text, lang in TEXTS.items() if lang == "en"]),
        (
            Language(keep=("ko", "und"), min_score=0.9),
            [text for text, lang in TEXTS.items() if lang in ("ko", "und")],
        ),
    ],
)
def test_what_is_not_in_keep_goes(language: Language, kept: list[str]) -> None:
    pairs = [make_pair(text) for text in TEXTS]
    batch = language.annotate(batch_of(pairs))
    reasons = [None if text in kept else "language" for text in TEXTS]
    assert language.reject_batch(batch).to_pylist() == reasons
    assert [language.reject(pair) for pair in pairs] == reasons
    assert batch["lang"].to_pylist() == list(TEXTS.values())
    assert set(batch["lang_detector"].to_pylist()) == {"auto"}


def test_a_score_below_the_line_is_not_enough() -> None:
    text = "red apple"
    [found] = load_detector("auto").detect([text])
    for min_score, is_kept in ((found.score, True), (min(found.score + 0.01, 1.0), False)):
        language = Language(keep=(found.lang,), min_score=min_score)
        batch = language.annotate(batch_of([make_pair(text)]))
        assert (language.reject(make_pair(text)) is None) == is_kept, found
        assert (language.reject_batch(batch)[0].as_py() is None) == is_kept


@pytest.mark.parametrize("detector", ["auto", "fast", "langdetect"])
def test_the_detector_of_the_recipe_is_asked_and_recorded(detector: DetectorName) -> None:
    language = Language(detector=detector)
    batch = language.annotate(batch_of([make_pair("red apple")]))
    [found] = load_detector(detector).detect(["red apple"])
    assert batch["lang_detector"].to_pylist() == [detector]
    assert batch["lang_score"].to_pylist() == pytest.approx([found.score])


def test_each_different_text_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Counting:
        def detect(self, texts: list[str]) -> list[Detection]:
            seen.extend(texts)
            return [Detection("en" if "a" in text else "und", 0.5) for text in texts]

    monkeypatch.setattr("webpairs_filters.language.language.load_detector", lambda name: Counting())
    texts = ["aaa", "bbb", "aaa", "aaa", "bbb"]
    batch = Language().annotate(batch_of([make_pair(text) for text in texts]))
    assert sorted(seen) == ["aaa", "bbb"]
    assert batch["lang"].to_pylist() == ["en", "und", "en", "en", "und"]
