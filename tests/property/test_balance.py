"""The fast form of balance says what the plain one says, in any order and cut of the pairs."""

import hashlib
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_core.errors import NothingLeft
from webpairs_filters.balance import plain
from webpairs_filters.balance.corpus import build_entries, count_words
from webpairs_filters.balance.cutoffs import exact_cutoffs
from webpairs_filters.balance.draw import Drawn, Lots
from webpairs_filters.balance.entries import distinct
from webpairs_filters.balance.match import Matcher
from webpairs_filters.balance.settle import Lottery, Matched, count_corpus, settle
from webpairs_filters.balance.spacing import spaced, spaced_slices
from webpairs_filters.options import BalanceRule, BalanceSection

# Words that begin each other, signs, scripts without spaces, letters whose lower case is odd
# (capital sigma, dotted I), a decomposed é, and characters that end texts inside.
_WORDS = (
    "new york New YORK newyork a b c++ .* ( , . ; ! ` u.s. é e\u0301 É 東京 京 タワー 東京タワー",
    "ไทย ภาษาไทย ai技術 서울 ΟΔΟΣ ΟΔΟΣΑ σ ς İ i ß \u0301 、",
)
_PIECES = st.sampled_from([word for line in _WORDS for word in line.split(" ")])
_GAPS = st.sampled_from([" ", "  ", "", "\t", "\n", "\0", ", ", "\u00a0"])
_TEXTS = st.one_of(
    st.text(max_size=12),
    st.lists(st.tuples(_PIECES, _GAPS), max_size=7).map(lambda p: "".join(a + b for a, b in p)),
)
_RULES: st.SearchStrategy[BalanceRule] = st.sampled_from(["clip", "metaclip"])


@settings(max_examples=400, deadline=None)
@given(st.lists(_TEXTS, max_size=12), st.lists(_TEXTS, max_size=8), st.booleans())
def test_the_matcher_finds_what_the_plain_form_finds(
    entries: list[str], texts: list[str], ignore_case: bool
) -> None:
    matcher = Matcher(entries, ignore_case=ignore_case)
    found = matcher.match(pa.array(texts, pa.string())).to_pylist()
    assert [{matcher.entries[n] for n in row} for row in found] == [
        {
            spaced(entry, ignore_case=ignore_case)
            for entry in entries
            if plain.holds(text, entry, ignore_case=ignore_case)
        }
        for text in texts
    ]
    assert all(row == sorted(set(row)) for row in found)


@settings(max_examples=300, deadline=None)
@given(st.lists(_TEXTS, max_size=8), st.booleans())
def test_slices_are_spaced_as_single_texts_are(texts: list[str], ignore_case: bool) -> None:
    joined = b"".join(
        piece.joined
        for piece in spaced_slices(pa.array(texts, pa.string()), ignore_case=ignore_case)
    )
    expected = [spaced(text, ignore_case=ignore_case) for text in texts]
    assert joined.decode() == "".join(f"{text} \0 " if text else "\0 " for text in expected)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 5), max_size=4, unique=True), max_size=40),
    st.integers(1, 9),
    st.integers(-(2**63), 2**63 - 1),
    _RULES,
    st.randoms(use_true_random=False),
)
def test_what_is_kept_depends_on_the_set_of_pairs_alone(
    held: list[list[int]], per_entry: int, seed: int, rule: BalanceRule, rng: random.Random
) -> None:
    names = ["a", "new york", "york", "東京", "é", "c++"]
    keys = [hashlib.sha256(str(i).encode()).digest()[:16] for i in range(len(held))]
    pairs = dict(zip(keys, held, strict=True))
    expected = plain.balance(
        {key: [names[n] for n in numbers] for key, numbers in pairs.items()}, per_entry, seed, rule
    )
    for _ in range(2):
        # Another order of pairs, of entries, and another cut into batches.
        order = rng.sample(range(len(names)), len(names))
        place = {number: i for i, number in enumerate(order)}
        mixed = rng.sample(keys, len(keys))
        cuts = sorted([0, len(keys), *(rng.randrange(len(keys) + 1) for _ in range(3))])
        corpus = [
            Matched(
                pa.array(mixed[a:b], pa.binary(16)),
                pa.array(
                    [sorted(place[n] for n in pairs[key]) for key in mixed[a:b]],
                    pa.list_(pa.uint32()),
                ),
            )
            for a, b in pairwise(cuts)
        ]
        lottery = Lottery([names[n] for n in order], seed)
        counts = count_corpus(corpus, len(names))
        settled = settle(partial(list, corpus), lottery, counts, per_entry, rule)
        reasons = {
            key: reason
            for some in corpus
            for key, reason in zip(
                some.keys.to_pylist(), settled.reasons(some).to_pylist(), strict=True
            )
        }
        assert {key for key, reason in reasons.items() if reason is None} == expected
        assert {key for key, reason in reasons.items() if reason == "no_entry"} == {
            key for key, numbers in pairs.items() if not numbers
        }
        assert set(reasons.values()) <= {None, "no_entry", "balanced"}
        assert reasons.keys() == pairs.keys()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=5),
    st.integers(1, 500),
    st.integers(1, 5_000),
    st.sampled_from(["even", "low", "high", "equal"]),
)
def test_cutoffs_are_the_smallest_lots_however_they_are_spread(
    counts: list[int], per_entry: int, max_lots: int, shape: str
) -> None:
    rng = np.random.default_rng(sum(counts) + per_entry)
    top = {"even": 2**64, "low": 2**20, "high": 2**64, "equal": 2}[shape]
    bottom = 2**64 - 2**20 if shape == "high" else 0
    lots = [rng.integers(bottom, top, n, dtype=np.uint64) for n in counts]
    passes = _passes(lots)
    found = exact_cutoffs(np.array(counts), per_entry, passes, max_lots)
    expected = [
        int(np.sort(each)[per_entry - 1]) if len(each) > per_entry else 2**64 - 1 for each in lots
    ]
    assert found.tolist() == expected


def _passes(lots: list[Lots]) -> Callable[[], Iterable[Drawn]]:
    entries = np.repeat(np.arange(len(lots), dtype=np.uint32), [len(each) for each in lots])
    joined = np.concatenate(lots)
    cuts = [0, len(joined) // 3, len(joined)]
    return lambda: [Drawn(np.arange(b - a), entries[a:b], joined[a:b]) for a, b in pairwise(cuts)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(_TEXTS, max_size=30),
    st.integers(1, 3),
    st.sampled_from([-1.0, 0.5, 2.0]),
    st.integers(1, 8),
    st.randoms(use_true_random=False),
)
def test_the_built_list_is_the_plain_one_whatever_the_parts(
    texts: list[str], min_count: int, min_pmi: float, max_entries: int, rng: random.Random
) -> None:
    section = BalanceSection(min_count=min_count, min_pmi=min_pmi, max_entries=max_entries)
    expected = plain_entries(texts, section)
    mixed = rng.sample(texts, len(texts))
    cut = rng.randrange(len(texts) + 1)
    with TemporaryDirectory() as name:
        parts = [Path(name) / "0.parquet", Path(name) / "1.parquet"]
        for part, some in zip(parts, (mixed[:cut], mixed[cut:]), strict=True):
            count_words([pa.array(some, pa.string())], part, ignore_case=True)
        if not expected:
            with pytest.raises(NothingLeft, match="min_count"):
                build_entries(parts, section, Path(name))
            return
        built = build_entries(parts, section, Path(name))
    assert list(built) == expected
    assert distinct(built, ignore_case=True) == built


def plain_entries(texts: list[str], section: BalanceSection) -> list[str]:
    words, bigrams = Counter[str](), Counter[tuple[str, str]]()
    for text in texts:
        tokens = spaced(text, ignore_case=True).split(" ")
        is_word = [any(c.isalnum() for c in token) for token in tokens]
        words.update(t for t, good in zip(tokens, is_word, strict=True) if good)
        for (a, one), (b, other) in pairwise(zip(tokens, is_word, strict=True)):
            if one and other:
                bigrams[a, b] += 1
    found = Counter({word: n for word, n in words.items() if n >= section.min_count})
    for (a, b), n in bigrams.items():
        pmi = math.log2(n * words.total() / (words[a] * words[b]))
        if n >= section.min_count and pmi >= section.min_pmi:
            found[f"{a} {b}"] = n
    ranked = sorted(found, key=lambda entry: (-found[entry], entry.encode()))
    return ranked[: section.max_entries]
