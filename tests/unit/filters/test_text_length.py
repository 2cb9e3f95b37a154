import pytest

from pairs_fixture import batch_of, make_pair
from webpairs_filters.text.length import TextLength, TextWords


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "text_too_short"),
        ("four", "text_too_short"),
        ("fiver", None),
        ("가나다라마", None),
        ("x" * 12, None),
        ("x" * 13, "text_too_long"),
    ],
)
def test_length_is_counted_in_code_points(text: str, reason: str | None) -> None:
    length = TextLength(min_chars=5, max_chars=12)
    assert length.reject(make_pair(text)) == reason
    assert length.reject_batch(batch_of([make_pair(text)])).to_pylist() == [reason]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "text_too_few_words"),
        ("red - dog", "text_too_few_words"),
        ("a red dog", None),
        ("红狗跑", None),
        ("one two three four five", None),
        ("one two three four five six", "text_too_many_words"),
    ],
)
def test_words_are_counted(text: str, reason: str | None) -> None:
    words = TextWords(min_words=3, max_words=5)
    assert words.reject(make_pair(text)) == reason
    assert words.reject_batch(batch_of([make_pair(text)])).to_pylist() == [reason]
