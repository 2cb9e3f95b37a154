import random

import pytest

from pairs_fixture import batch_of, make_pair
from webpairs_filters.base import PairFilter
from webpairs_filters.text.repetition import RepeatedChars, RepeatedPhrases, RepeatedWords

LONG = "the quick brown fox jumps over the lazy dog while "


@pytest.mark.parametrize(
    ("each", "text", "is_dropped"),
    [
        (RepeatedWords(), "a dog and a cat and a bird", True),  # 3 of 8
        (RepeatedWords(), "a dog and a cat", False),  # 1 of 5 is 0.2
        (RepeatedWords(max_share=0.1), "a dog and A cat", True),
        (RepeatedWords(), "dog, dog", True),
        (RepeatedWords(), "", False),
        (RepeatedWords(), "干干净净", True),
        (RepeatedChars(), "0123456789", False),
        (RepeatedChars(), "a" * 11, True),
        (RepeatedChars(), "red apple and red apple", False),  # red apple has nine letters
        (RepeatedChars(), "red apples and red apples", True),
        (RepeatedChars(), "ten letters, and then another thing by far: ten letters", False),
        (RepeatedChars(max_ratio=0.5), "red apples and red apples", False),
        (RepeatedPhrases(), "one two three four five six", False),
        (RepeatedPhrases(), "one two three four five one two three four five", True),
        (RepeatedPhrases(), "One, two - three four FIVE! one two three four five", True),
        (RepeatedPhrases(n=2), "a dog and a dog", True),
        (RepeatedPhrases(n=2, max_ratio=0.5), "a dog and a dog", False),  # 2 of 4
        (RepeatedPhrases(), LONG * 2, True),
    ],
)
def test_repetition(each: PairFilter, text: str, is_dropped: bool) -> None:
    [reason] = each.reasons
    expected = reason if is_dropped else None
    assert each.reject(make_pair(text)) == expected
    assert each.reject_batch(batch_of([make_pair(text)])).to_pylist() == [expected]


def test_the_most_frequent_runs_decide_where_bounds_do_not() -> None:
    # 91 runs occur twice and one up to 110 times, of some 1,000; 30 decide: no bound tells.
    rng = random.Random(0)
    noise = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=900))
    texts = [noise + noise[:100] + "z" * n for n in range(10, 120)]
    pairs = [make_pair(text) for text in texts]
    plain = [RepeatedChars().reject(pair) for pair in pairs]
    assert RepeatedChars().reject_batch(batch_of(pairs)).to_pylist() == plain
    assert 0 < plain.count(None) < len(plain)


@pytest.mark.parametrize("each", [RepeatedWords(), RepeatedChars(), RepeatedPhrases()])
def test_a_text_of_a_megabyte_is_judged(each: PairFilter) -> None:
    bodies = ("a", "ab ", "图", "-", " ")
    numbers = " ".join(map(str, range(150_000)))
    pairs = [make_pair(text) for text in ("short", *(b * 1_000_000 for b in bodies), numbers)]
    plain = [each.reject(pair) for pair in pairs]
    assert each.reject_batch(batch_of(pairs)).to_pylist() == plain
    assert None in plain
