"""The plain form of each filter and its form over Arrow batches say the same of every pair."""

import math
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairs_fixture import batch_of, make_pair
from user_files import list_file
from webpairs_core.records import Pair
from webpairs_core.schema import SAMPLES
from webpairs_filters.base import FACTS, Facts, PairFilter
from webpairs_filters.catalog import OfPairs, OfSamples
from webpairs_filters.chain import judge
from webpairs_filters.examples import EXAMPLES
from webpairs_filters.image.picture import ImageBlank, ImageFile, ImageSize, Similarity
from webpairs_filters.language.language import Language
from webpairs_filters.text.grammar import PartsOfSpeech
from webpairs_filters.text.junk import TextJunk
from webpairs_filters.text.length import TextLength, TextWords
from webpairs_filters.text.repetition import RepeatedChars, RepeatedPhrases, RepeatedWords
from webpairs_filters.text.shape import Capitals, SpecialChars
from webpairs_filters.text.vocabulary import BlockedWords, CommonWords, RareWords, StopWords
from webpairs_filters.url.blocklist import UrlBlocklist
from webpairs_filters.url.junk import UrlJunk
from webpairs_filters.url.parts import UrlParts

# Pieces that the patterns know, so that near misses are drawn often; and any text at all, with the
# letters that fold to ASCII ones only outside ASCII.
_WORDS = (
    "image Image IMG img_ DSC _ . .jpg .PNG .svg photo logo an the www. https:// 123 0001 (1) # -",
    "spacer pixel placeholder sprite 1x1 blank tracking-pixel .gif ? / 사진 画像 Фото é of DON'T",
    "\u017f \u212a \u0130 \u0131 \n",  # long s, Kelvin sign, dotted and dotless i, line end
    "\u0e01\u0e33 \u0e48 \u0300 \u3042\u3099 \u2019 \U0001f600 \u1c90 \u01c5 \u2003 \x1f",
)
_PIECES = st.sampled_from([word for line in _WORDS for word in line.split(" ")])
_TEXTS = st.one_of(
    st.text(max_size=30),
    st.lists(st.one_of(_PIECES, st.text(max_size=2)), max_size=6).map("".join),
    st.lists(_PIECES, max_size=4).map(" ".join),
    st.lists(_PIECES, min_size=5, max_size=40).map(" ".join),
    # Few letters: what repeats, overlaps and nearly repeats.
    st.text("ab ", max_size=60),
    st.tuples(st.text("abc 図", max_size=12), st.integers(1, 6)).map(lambda t: t[0] * t[1]),
)
_URLS = st.one_of(
    st.lists(_PIECES, max_size=6).map(lambda pieces: "http://a.test/" + "".join(pieces)),
    st.sampled_from(
        [
            "http://pixel.wp.com/g.gif",
            "https://www.facebook.com/tr?id=1",
            "https://cdn.bad.test:8443/a.JPEG?x=.svg#y",
            "http://notbad.test/a.b/c",
            "http://bad.test./a.b/c.tar.gz",
            "http://[2001:db8::1]:80/x.png",
            "ftp://a.test/x.png",
            "http://a.test",
        ]
    ),
    _TEXTS,
)
_SIDES = st.sampled_from([0, 1, 2, 3, 4, 300])
_PAIRS = st.builds(
    lambda text, url, src_url, width, height: make_pair(
        text, url=url, src_url=src_url, declared_width=width, declared_height=height
    ),
    _TEXTS,
    _URLS,
    _URLS,
    _SIDES,
    _SIDES,
)
_CODES = st.lists(st.sampled_from(["en", "ko", "de", "fr", "und"]), max_size=3).map(tuple)
_SHARES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0])
_LIST = list_file(
    "# words", "photo", "an IMAGE", "the", "画像", "no such phrase", "a b a", "b", "ſ"
)
_SINGLES = list_file("photo", "The", "a", "画", "don\u2019t")
_COUNTS = list_file("photo\t7", "the\t900", "a\t5", "PHOTO\t1", "ab\t4", "of the\t9", "像\t6")
_URL_LIST = list_file("http://pixel.wp.com/g.gif#x", "HTTP://A.test:80")
_DOMAINS = list_file("bad.test", "*.facebook.com", "2001.test")
_HASHES = list_file(
    "5c2f7f4b6b5e0d1f6f0e6bd2d6b0c8a1",
    "9d989e8d27dc9e0ec3389fc855f142c3d40f0c50",
)
_CHEAP: st.SearchStrategy[PairFilter] = st.one_of(
    st.builds(TextLength, min_chars=st.integers(0, 9), max_chars=st.integers(1, 20)),
    st.builds(TextWords, min_words=st.integers(0, 5), max_words=st.integers(1, 12)),
    st.just(TextJunk()),
    st.builds(RepeatedWords, max_share=_SHARES),
    st.builds(RepeatedChars, n=st.integers(1, 11), max_ratio=_SHARES),
    st.builds(RepeatedPhrases, n=st.integers(1, 6), max_ratio=_SHARES),
    st.builds(SpecialChars, max_share=_SHARES),
    st.builds(Capitals, max_share=_SHARES, starts_with_capital=st.booleans()),
    st.builds(StopWords, min_share=_SHARES, words=st.sampled_from(["", _SINGLES])),
    st.builds(CommonWords, min_share=_SHARES, words=st.just(_SINGLES)),
    st.builds(BlockedWords, max_share=_SHARES, words=st.just(_LIST)),
    st.builds(RareWords, max_share=_SHARES, counts=st.just(_COUNTS), min_count=st.integers(1, 9)),
    st.just(UrlJunk()),
    st.builds(
        UrlParts,
        schemes=st.sampled_from([("http", "https"), ("https",)]),
        allow_endings=st.sampled_from([(), ("jpg", "jpeg", "png"), ("gif", "")]),
        deny_endings=st.sampled_from([(), ("svg", "gif"), ("",)]),
        max_host_chars=st.sampled_from([1, 6, 13, 253]),
    ),
    st.builds(
        UrlBlocklist,
        urls=st.sampled_from(["", _URL_LIST]),
        domains=st.just(_DOMAINS),
        hashes=st.sampled_from(["", _HASHES]),
        pages=st.booleans(),
    ),
)
_COSTLY: st.SearchStrategy[PairFilter] = st.one_of(
    st.builds(Language, keep=_CODES, min_score=st.sampled_from([0.0, 0.5, 0.857, 0.99, 1.0])),
    st.builds(
        PartsOfSpeech,
        need=st.lists(st.sampled_from(["noun", "determiner", "preposition"]), max_size=2).map(
            tuple
        ),
        max_noun_share=_SHARES,
    ),
)


@settings(max_examples=700, deadline=None)
@given(_CHEAP, st.lists(_PAIRS, max_size=12))
def test_cheap_filters_agree(each: PairFilter, pairs: list[Pair]) -> None:
    _agree(each, pairs)


@settings(max_examples=40, deadline=None)
@given(_COSTLY, st.lists(_PAIRS, max_size=5))
def test_costly_filters_agree(each: PairFilter, pairs: list[Pair]) -> None:
    _agree(each, pairs)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(_CHEAP, _COSTLY), max_size=4), st.lists(_PAIRS, max_size=6))
def test_a_chain_is_its_filters_in_order(filters: list[OfPairs], pairs: list[Pair]) -> None:
    judged = judge(filters, batch_of(pairs))
    expected = [
        next((reason for each in filters if (reason := each.reject(pair))), None) for pair in pairs
    ]
    assert judged.kept["key"].to_pylist() == [
        pair.key for pair, reason in zip(pairs, expected, strict=True) if reason is None
    ]
    assert sorted(judged.rejects["reason"].to_pylist()) == sorted(r for r in expected if r)
    assert len(judged.kept) + len(judged.rejects) == len(pairs)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(_CHEAP, _COSTLY), max_size=4), st.lists(_PAIRS, max_size=6))
def test_alone_is_what_each_filter_says_of_the_rows_it_sees(
    filters: list[OfPairs], pairs: list[Pair]
) -> None:
    expected: dict[str, set[int]] = {reason: set() for each in filters for reason in each.reasons}
    left = set(range(len(pairs)))
    for each in filters:
        said = {i: each.reject(pair) for i, pair in enumerate(pairs)}
        for i, reason in said.items():
            if reason and (i in left or not each.is_costly):
                expected[reason].add(i)
        left -= {i for i, reason in said.items() if reason}
    assert judge(filters, batch_of(pairs)).alone == {r: len(rows) for r, rows in expected.items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(_CHEAP, max_size=3), st.lists(_PAIRS, max_size=30), st.data())
def test_order_and_borders_of_parts_change_nothing(
    filters: list[OfPairs], pairs: list[Pair], data: st.DataObject
) -> None:
    other = data.draw(st.permutations(pairs))
    cut = data.draw(st.integers(0, len(pairs)))
    whole = judge(filters, batch_of(pairs))
    first = judge(filters, batch_of(other[:cut]))
    second = judge(filters, batch_of(other[cut:]), first.examples)
    halves = [first, second]
    assert _keys(whole.kept) == _keys(*(half.kept for half in halves))
    assert _keys(whole.rejects) == _keys(*(half.rejects for half in halves))
    assert Counter(whole.alone) == Counter(first.alone) + Counter(second.alone)
    assert whole.examples == second.examples


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_the_examples_are_those_of_the_smallest_keys(n_repeats: int) -> None:
    pairs = [make_pair(f"{i:03}") for i in range(100)] * n_repeats
    examples = judge((TextLength(),), batch_of(pairs)).examples["text_too_short"]
    smallest = sorted({(pair.key.hex(), pair.url, pair.text) for pair in pairs})[:EXAMPLES]
    assert [(each.key, each.url, each.text) for each in examples] == smallest


def _keys(*tables: pa.RecordBatch | pa.Table) -> list[bytes]:
    return sorted(key for table in tables for key in table["key"].to_pylist())


def _agree(each: PairFilter, pairs: list[Pair]) -> None:
    plain = [each.reject(pair) for pair in pairs]
    batch = batch_of(pairs)
    assert each.reject_batch(each.annotate(batch)).to_pylist() == plain
    assert each.reject_batch(each.annotate(batch[1:])).to_pylist() == plain[1:]
    assert {reason for reason in plain if reason} <= set(each.reasons)


_FACTS = st.builds(
    Facts,
    original_width=st.integers(1, 60),
    original_height=st.integers(1, 60),
    bytes=st.integers(0, 40),
    format=st.sampled_from(["jpeg", "png", "webp"]),
    is_animated=st.booleans(),
    contrast=st.sampled_from([0.0, 1.5, 2.0, 60.0]),
    similarity=st.sampled_from([math.nan, -1.0, 0.25, 0.5, 1.0]),
)
_OF_SAMPLES: st.SearchStrategy[OfSamples] = st.one_of(
    st.builds(
        ImageSize,
        min_side_px=st.integers(0, 60),
        max_side_px=st.integers(1, 60),
        max_aspect=st.sampled_from([1.0, 1.5, 2.5, 3.0]),
    ),
    st.builds(
        ImageFile,
        min_bytes=st.integers(0, 40),
        max_bytes=st.integers(1, 40),
        formats=st.sampled_from([(), ("jpeg",), ("png", "webp")]),
        animated=st.booleans(),
    ),
    st.builds(ImageBlank, min_contrast=st.sampled_from([0.0, 1.5, 2.0])),
    st.builds(Similarity, min=st.sampled_from([-1.0, 0.25, 0.28])),
)


@given(_OF_SAMPLES, st.lists(_FACTS, max_size=20))
def test_filters_of_samples_agree(each: OfSamples, facts: list[Facts]) -> None:
    kinds = {"bytes": pa.int64(), "contrast": pa.float32(), "similarity": pa.float32()}
    columns = {
        name: pa.array([getattr(one, name) for one in facts], kinds.get(name) or None)
        for name in FACTS
    }
    if not facts:
        columns = {
            name: pa.array([], kinds.get(name) or SAMPLES.field(name).type) for name in FACTS
        }
    found = each.reject_batch(pa.RecordBatch.from_pydict(columns)).to_pylist()
    assert found == [each.reject(one) for one in facts]
