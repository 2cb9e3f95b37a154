import pytest

from pairs_fixture import batch_of, make_pair
from webpairs_filters.base import PairFilter
from webpairs_filters.text.shape import Capitals, SpecialChars

SHOUT, SMALL = "text_many_capitals", "text_no_capital"


@pytest.mark.parametrize(
    ("each", "text", "reason"),
    [
        (SpecialChars(), "", None),
        (SpecialChars(), "a dog on a bed", None),  # 4 of 14
        (SpecialChars(), "a b c d", "text_special_chars"),  # 3 of 7
        (SpecialChars(), "2024-01-02", "text_special_chars"),
        (SpecialChars(), "😀😀 smile", "text_special_chars"),
        (SpecialChars(), "สวัสดี", None),  # its marks are no special characters
        (SpecialChars(max_share=0.5), "a b c d", None),
        (Capitals(), "", None),
        (Capitals(), "A dog on a bed", None),
        (Capitals(), "BUY NOW BEST PRICE", SHOUT),
        (Capitals(), "Buy Now", SHOUT),
        (Capitals(max_share=1.0), "BUY NOW", None),
        (Capitals(), "写真 123", None),
        (Capitals(), "Eiffel Tower in Paris", None),
        (Capitals(max_share=0.5), "Eiffel Tower in Paris", SHOUT),
        (Capitals(), "a dog", None),
        (Capitals(starts_with_capital=True), "a dog", SMALL),
        (Capitals(starts_with_capital=True), "“A dog” barks", None),
        (Capitals(starts_with_capital=True), "4 dogs bark", None),
        (Capitals(starts_with_capital=True), "- éclair", SMALL),
    ],
)
def test_shape(each: PairFilter, text: str, reason: str | None) -> None:
    assert each.reject(make_pair(text)) == reason
    batch = batch_of([make_pair(), make_pair(text)])
    assert each.reject_batch(batch).to_pylist()[1] == reason
