import pytest

from pairs_fixture import batch_of, make_pair
from webpairs_filters.url.junk import UrlJunk

JUNK = {
    "url_extension": """
http://a.test/logo.svg
http://a.test/favicon.ICO
https://a.test/x/film.mp4?t=1
http://a.test/a.b/icon.svg#x
http://a.test/style.css
""",
    "url_placeholder": """
http://a.test/spacer.gif
http://a.test/img/blank.png?v=2
http://a.test/1x1.gif
http://a.test/pixel.png
http://a.test/placeholder-300x200.jpg
http://a.test/img_placeholder.png
http://a.test/css-sprites@2x.png
http://a.test/sprite.webp
http://a.test/no-image.jpg
http://a.test/loading.gif
http://a.test/spacer
""",
    "tracking_pixel": """
https://www.facebook.com/tr?id=1&ev=PageView
https://www.google-analytics.com/collect?v=1
https://stats.g.doubleclick.net/r/collect
https://pixel.wp.com/g.gif?v=ext
https://a.test/matomo.php?idsite=1
https://a.test/piwik/piwik.php
https://a.test/tracking-pixel.gif
https://a.test/beacon?x=1
""",
}
PICTURES = """
http://a.test/photo.jpg
http://a.test/
http://a.test
http://svg.test/photo
http://a.test/icon.svg/120px-icon.svg.png
http://a.test/show.php?file=icon.svg
http://a.test/google-pixel-6.jpg
http://a.test/blank-canvas.jpg
http://a.test/sprite-can-on-a-table.jpg
http://a.test/transparent-frog.png
http://a.test/railway-track.jpg
http://a.test/facebook.com/tr.jpg
"""


@pytest.mark.parametrize(
    ("urls", "reason"),
    [*((urls.split(), reason) for reason, urls in JUNK.items()), (PICTURES.split(), None)],
)
def test_addresses(urls: list[str], reason: str | None) -> None:
    pairs = [make_pair(url=url) for url in urls]
    found = {pair.url: UrlJunk().reject(pair) for pair in pairs}
    assert found == dict.fromkeys(urls, reason)
    assert UrlJunk().reject_batch(batch_of(pairs)).to_pylist() == [reason] * len(urls)


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (1, 1, "tracking_pixel"),
        (600, 1, "tracking_pixel"),
        (3, 0, "tracking_pixel"),
        (0, 0, None),
        (4, 4, None),
        (0, 400, None),
    ],
)
def test_a_declared_hairline_is_a_tracking_pixel(
    width: int, height: int, reason: str | None
) -> None:
    pair = make_pair(declared_width=width, declared_height=height)
    assert UrlJunk().reject(pair) == reason
    assert UrlJunk().reject_batch(batch_of([pair])).to_pylist() == [reason]


def test_a_very_long_address_is_judged_at_once() -> None:
    n = 50_000
    hostile = [
        "/" * n + "?\n",
        "-" * n,
        "spacer-" * n,
        "pixel" + "1x" * n,
        ".svg" * n + "\n",
        "a." * n,
    ]
    pairs = [make_pair(url=f"http://a.test/{tail}") for tail in hostile]
    plain = [UrlJunk().reject(pair) for pair in pairs]
    assert UrlJunk().reject_batch(batch_of(pairs)).to_pylist() == plain
