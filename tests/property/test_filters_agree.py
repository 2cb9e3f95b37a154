"""The plain form of each filter and its form over Arrow batches say the same of every pair."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pairs_fixture import batch_of, make_pair
from webpairs_core.records import Pair
from webpairs_filters.url_junk import UrlJunk
from webpairs_filters.base import PairFilter
from webpairs_filters.catalog import Filter
from webpairs_filters.chain import judge
from webpairs_filters.language import Language
from webpairs_filters.text_junk import TextJunk
from webpairs_filters.text_length import TextLength

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
_FILTERS: st.SearchStrategy[Filter] = st.one_of(
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
def test_a_chain_is_its_filters_in_order(filters: list[Filter], pairs: list[Pair]) -> None:
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
