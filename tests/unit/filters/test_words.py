import sys
import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from webpairs_filters.text.characters import (
    ALONE,
    SPACE,
    TAIL,
    WORD,
    characters_of,
    fold,
    fold_character,
    folded,
    kind_of,
)
from webpairs_filters.text.words import Words, batch_words, words_as_written, words_of

TEXTS = {
    "": [],
    " \u2003 ": [],
    "A Red-Haired dog's ball, 4 m!": ["a", "red-haired", "dog's", "ball", "4", "m"],
    "a – b": ["a", "b"],
    "“Don’t” …": ["don't"],
    "--- !!! ***": [],
    "Straße ΣΊΣΥΦΟΣ": ["straße", "σίσυφοσ"],
    "上汤娃娃菜 2人份": ["上", "汤", "娃", "娃", "菜", "2", "人", "份"],
    "iPhoneの写真": ["iphone", "の", "写", "真"],
    "사진 두 장": ["사진", "두", "장"],
    "ไทย": ["ไ", "ท", "ย"],
    "ที่": ["ที่"],  # one letter and two marks
    "e\u0301te\u0301": ["e\u0301te\u0301"],
    "か\u3099き": ["か\u3099", "き"],
}


@pytest.mark.parametrize(("text", "words"), TEXTS.items())
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words
    assert [fold(word) for word in words_as_written(text)] == words


def test_a_batch_has_the_same_words_and_a_slice_its_own() -> None:
    texts = pa.array(TEXTS)
    for some in (texts, texts[3:8], texts[5:5]):
        words = Words(some)
        assert [words.of(i) for i in range(len(some))] == [TEXTS[t] for t in some.to_pylist()]
        assert words.n_words.tolist() == [len(TEXTS[t]) for t in some.to_pylist()]


def test_the_memory_of_the_last_batch_is_that_of_this_batch() -> None:
    first, second = pa.array(["one two", "three"]), pa.array(["six", "seven"])
    kept = batch_words(first)
    assert batch_words(first) is kept
    assert batch_words(first[1:]).vocabulary == ["three"]
    assert batch_words(second).vocabulary == ["six", "seven"]
    assert batch_words(pa.array([], pa.string())).vocabulary == []


def test_each_character_is_the_same_alone_and_in_a_batch() -> None:
    points = [p for p in range(sys.maxunicode + 1) if not 0xD800 <= p <= 0xDFFF]
    text = "".join(map(chr, points))
    characters = characters_of(pa.array(["", text, ""]))
    assert characters.bounds.tolist() == [0, 0, len(points), len(points)]
    assert characters.kinds.tolist() == [kind_of(character) for character in text]
    assert folded(characters).tolist() == [ord(fold_character(character)) for character in text]
    # A fold moves no border of a word.
    borders = np.uint8(WORD | SPACE | ALONE | TAIL)
    again = characters_of(pa.array([fold(text)])).kinds
    assert ((again ^ characters.kinds) & borders).tolist() == [0] * len(points)


def test_every_han_and_kana_letter_is_a_word() -> None:
    names = ("CJK UNIFIED IDEOGRAPH", "HIRAGANA LETTER", "KATAKANA LETTER", "THAI CHARACTER")
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        if unicodedata.category(character) == "Lo" and unicodedata.name(character, "").startswith(
            names
        ):
            assert kind_of(character) & ALONE, hex(point)
