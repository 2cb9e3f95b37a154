import pytest

from pairs_fixture import batch_of, make_pair
from webpairs_filters.url.parts import UrlParts

PICTURES = UrlParts(allow_endings=("jpg", "jpeg", "png", ""), max_host_chars=12)
NO_DRAWINGS = UrlParts(deny_endings=("svg", "gif"), schemes=("https",))


@pytest.mark.parametrize(
    ("each", "url", "reason"),
    [
        (PICTURES, "http://a.test/b.jpg", None),
        (PICTURES, "http://a.test/b.JPG?x=.gif#.gif", None),
        (PICTURES, "http://a.test/b.gif", "url_ending"),
        (PICTURES, "http://a.test/b.jpg/c", None),
        (PICTURES, "http://a.test", None),
        (PICTURES, "http://a.test/b.verylongend", None),
        (PICTURES, "http://a.test/b.tar.png", None),
        (PICTURES, "http://123456789.ab:8080/b.jpg", None),  # 12, the port not counted
        (PICTURES, "http://123456789.abc/b.jpg", "url_long_host"),
        (PICTURES, "http://[2001:db8::1]/b.jpg", "url_long_host"),
        (PICTURES, "ftp://a.test/b.jpg", "url_scheme"),
        (PICTURES, "", "url_scheme"),
        (PICTURES, "http://a.test/b.jpg\n", "url_scheme"),
        (NO_DRAWINGS, "https://a.test/b.svg", "url_ending"),
        (NO_DRAWINGS, "https://a.test/svg", None),
        (NO_DRAWINGS, "http://a.test/b.png", "url_scheme"),
        (UrlParts(deny_endings=("",)), "http://a.test/", "url_ending"),
    ],
)
def test_parts(each: UrlParts, url: str, reason: str | None) -> None:
    pair = make_pair(url=url)
    assert each.reject(pair) == reason
    assert each.reject_batch(batch_of([pair])).to_pylist() == [reason]


def test_a_very_long_address_is_judged_at_once() -> None:
    n = 50_000
    tails = ["/" * n, "." * n, "a." * n, "/." * n, "?" + "/" * n, "[" * n]
    pairs = [make_pair(url=f"http://a.test/{tail}") for tail in tails]
    pairs.append(make_pair(url="http://" + "a." * n))
    plain = [PICTURES.reject(pair) for pair in pairs]
    assert PICTURES.reject_batch(batch_of(pairs)).to_pylist() == plain
