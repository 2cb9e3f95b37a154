import sys

import pytest

from pairs_fixture import batch_of, make_pair
from webpairs_core.errors import RecipeError
from webpairs_filters.text import grammar
from webpairs_filters.text.grammar import PartsOfSpeech

CC3M = PartsOfSpeech(need=("noun", "determiner", "preposition"))


@pytest.mark.parametrize(
    ("each", "text", "reason"),
    [
        (CC3M, "a photo of a dog on the beach", None),
        (CC3M, "running quickly", "text_no_noun"),
        (CC3M, "dogs at night", "text_no_determiner"),
        (CC3M, "the red car", "text_no_preposition"),
        (PartsOfSpeech(), "red car", None),
        (PartsOfSpeech(need=()), "running quickly", None),
        (PartsOfSpeech(), "", "text_no_noun"),
        (PartsOfSpeech(max_noun_share=0.6), "the red car", None),
        (PartsOfSpeech(max_noun_share=0.6), "car, house, street", "text_many_nouns"),
    ],
)
def test_parts_of_speech(each: PartsOfSpeech, text: str, reason: str | None) -> None:
    assert each.reject(make_pair(text)) == reason
    assert each.reject_batch(batch_of([make_pair(text)] * 2)).to_pylist() == [reason] * 2


def test_a_text_of_a_megabyte_is_judged_by_its_head() -> None:
    pairs = [make_pair(body * 250_000) for body in ("dog ", "the ", ". , ", "图图图图")]
    reasons = [CC3M.reject(pair) for pair in pairs]
    assert reasons[:2] == ["text_no_determiner", "text_no_noun"]
    assert CC3M.reject_batch(batch_of(pairs)).to_pylist() == reasons


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    grammar._tagger.cache_clear()
    monkeypatch.setitem(sys.modules, "textblob.en.taggers", None)
    with pytest.raises(RecipeError, match=r"pip install 'webpairs\[pos\]'"):
        PartsOfSpeech().reject(make_pair("a text that nobody tagged yet"))
