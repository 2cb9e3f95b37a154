"""Filters on the address of an image and on the size its page declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.patterns import Pattern, first_reason

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_PIXEL_SIDE = 3
"""CSS pixels; a picture declared so thin is a beacon or a ruled line."""

# Canonical URLs are ASCII without spaces: scheme://host/folders/name?query
_FOLDERS = r"[a-z]+://[^/?#]*/(?:[^?#]*/)?"
_QUERY = r"(?:[?#][^\n]*)?"

_NO_IMAGE = Pattern(
    # vectors, icons and cursors, documents, films, code: nothing the fetch stage decodes
    rf"{_FOLDERS}[^/?#]*\.(?:svgz?|ico|cur|pdf|eps|ai|swf|mp4|webm|mov|ogv|m4v|mp3|js|css){_QUERY}"
)
_PLACEHOLDER = Pattern(
    # the name is the word, with or without a number or size: blank.gif, pixel-1x1.png
    rf"{_FOLDERS}(?:blank|clear|dummy|lazy|lazyload|loader|loading|pixel|shim|spinner|transparent"
    r"|1x1|no[-_]?(?:image|photo|picture|thumb|thumbnail))[-_.@x0-9]*"
    rf"(?:gif|png|jpe?g|webp|bmp|avif)?{_QUERY}",
    # or it ends in the word: css-sprites@2x.png, img_placeholder-300x200.jpg
    rf"{_FOLDERS}(?:[^/?#]*[-_.])?(?:spacer|placeholder|sprites?)[-_.@x0-9]*"
    rf"(?:gif|png|jpe?g|webp|bmp|avif)?{_QUERY}",
)
_BEACON = Pattern(
    # the well-known counters, by host
    r"https?://(?:www\.facebook\.com/tr[/?]|(?:www|ssl)\.google-analytics\.com/|bat\.bing\.com/"
    r"|(?:[^/?#]*\.)?doubleclick\.net/|(?:sb|b)\.scorecardresearch\.com/|pixel\.quantserve\.com/"
    r"|pixel\.wp\.com/|stats\.wordpress\.com/|px\.ads\.linkedin\.com/|counter\.yadro\.ru/"
    r"|mc\.yandex\.ru/watch/)[^\n]*",
    # and by what their programs are called on any host
    rf"{_FOLDERS}(?:__utm\.gif|piwik\.php|matomo\.php|beacon(?:\.gif|\.png)?"
    rf"|track(?:ing)?(?:[-_]?pixel)?(?:\.gif|\.png)){_QUERY}",
)


class UrlJunk(PairFilter, frozen=True, kw_only=True, tag="url_junk"):
    """Drop addresses that cannot be a picture worth a caption.

    `tracking_pixel`: a side declared as 1 to 3 px, or the address of a known counter;
    `url_extension`: the name ends as no picture that is decoded here (svg, ico, mp4 …);
    `url_placeholder`: the name is that of a stand-in (spacer.gif, blank.png, sprite.png).
    """

    reasons: ClassVar[tuple[str, ...]] = ("tracking_pixel", "url_extension", "url_placeholder")

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        is_thin = any(
            1 <= side <= _MAX_PIXEL_SIDE for side in (pair.declared_width, pair.declared_height)
        )
        if is_thin or _BEACON.matches(pair.url):
            return "tracking_pixel"
        if _NO_IMAGE.matches(pair.url):
            return "url_extension"
        return "url_placeholder" if _PLACEHOLDER.matches(pair.url) else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import pyarrow.compute as pc

        urls = batch["url"]
        is_pixel = _BEACON.mask(urls)
        for name in ("declared_width", "declared_height"):
            is_thin = pc.and_(
                pc.greater_equal(batch[name], 1), pc.less_equal(batch[name], _MAX_PIXEL_SIDE)
            )
            is_pixel = pc.or_(is_pixel, is_thin)
        return first_reason(
            {
                "tracking_pixel": is_pixel,
                "url_extension": _NO_IMAGE.mask(urls),
                "url_placeholder": _PLACEHOLDER.mask(urls),
            }
        )
