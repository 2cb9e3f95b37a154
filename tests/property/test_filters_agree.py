"""The plain form of each filter and its form over Arrow batches say the same of every pair."""

import math

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pairs_fixture import batch_of, make_pair
from webpairs_core.records import Pair
from webpairs_core.schema import SAMPLES
from webpairs_filters.address import UrlJunk
from webpairs_filters.base import FACTS, Facts, PairFilter
from webpairs_filters.catalog import OfPairs, OfSamples
from webpairs_filters.chain import judge
from webpairs_filters.language import Language
from webpairs_filters.picture import ImageBlank, ImageFile, ImageSize, Similarity
from webpairs_filters.text import TextJunk, TextLength

# Pieces that the patterns know, so that near misses are drawn often; and any text at all, with the
# letters that fold to ASCII ones only outside ASCII.
_WORDS = (
    "image Image IMG img_ DSC _ . .jpg .PNG .svg photo logo an the www. https:// 123 0001 (1) # -",
    "spacer pixel placeholder sprite 1x1 blank tracking-pixel .gif ? / 사진 画像 Фото é",
    "\u017f \u212a \u0130 \u0131 \n",  # long s, Kelvin sign, dotted and dotless i, line end
)
_PIECES = st.sampled_from([word for line in _WORDS for word in line.split(" ")])
_TEXTS = st.one_of(
    st.text(max_size=30),
    st.lists(st.one_of(_PIECES, st.text(max_size=2)), max_size=6).map("".join),
    st.lists(_PIECES, max_size=4).map(" ".join),
)
_URLS = st.one_of(
    st.lists(_PIECES, max_size=6).map(lambda pieces: "http://a.test/" + "".join(pieces)),
    st.sampled_from(["http://pixel.wp.com/g.gif", "https://www.facebook.com/tr?id=1"]),
    _TEXTS,
)
_SIDES = st.sampled_from([0, 1, 2, 3, 4, 300])
_PAIRS = st.builds(
    lambda text, url, width, height: make_pair(
        text, url=url, declared_width=width, declared_height=height
    ),
    _TEXTS,
    _URLS,
    _SIDES,
    _SIDES,
)
_CODES = st.lists(st.sampled_from(["en", "ko", "de", "fr", "und"]), max_size=3).map(tuple)
_FILTERS: st.SearchStrategy[OfPairs] = st.one_of(
    st.builds(TextLength, min_chars=st.integers(0, 9), max_chars=st.integers(1, 20)),
    st.just(TextJunk()),
    st.just(UrlJunk()),
    st.builds(Language, keep=_CODES, min_score=st.sampled_from([0.0, 0.5, 0.857, 0.99, 1.0])),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([TextLength(), TextJunk(), UrlJunk()]), st.lists(_PAIRS, max_size=20))
def test_cheap_filters_agree(each: PairFilter, pairs: list[Pair]) -> None:
    _agree(each, pairs)


@settings(max_examples=40, deadline=None)
@given(_FILTERS, st.lists(_PAIRS, max_size=5))
def test_all_filters_agree(each: PairFilter, pairs: list[Pair]) -> None:
    _agree(each, pairs)


@settings(max_examples=40, deadline=None)
@given(st.lists(_FILTERS, max_size=3), st.lists(_PAIRS, max_size=5))
def test_a_chain_is_its_filters_in_order(filters: list[OfPairs], pairs: list[Pair]) -> None:
    kept, rejects = judge(filters, batch_of(pairs))
    expected = [
        next((reason for each in filters if (reason := each.reject(pair))), None) for pair in pairs
    ]
    assert kept["key"].to_pylist() == [
        pair.key for pair, reason in zip(pairs, expected, strict=True) if reason is None
    ]
    assert sorted(rejects["reason"].to_pylist()) == sorted(r for r in expected if r)


def _agree(each: PairFilter, pairs: list[Pair]) -> None:
    plain = [each.reject(pair) for pair in pairs]
    assert each.reject_batch(each.annotate(batch_of(pairs))).to_pylist() == plain
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
