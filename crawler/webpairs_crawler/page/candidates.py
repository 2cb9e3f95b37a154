"""Which URL an image element stands for: the largest candidate, and what a browser loads by
default.

Lazy loading hides the picture in an attribute of its own, with a placeholder in src: 17 % of all
good pairs of a census of 1,321 real pages are found only there, 4 % only in srcset and picture.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import msgspec
from selectolax.lexbor import LexborNode

from webpairs_crawler.web.srcset import Candidate, parse_srcset
from webpairs_crawler.web.urls import join

Attributes = Mapping[str, str | None]

LAZY_SRCSETS = ("data-srcset", "data-lazy-srcset", "data-original-set", "lazy-srcset")
LAZY_SRCS = (
    # Most frequent first, as counted in the census.
    "data-src",
    "data-lazy-src",
    "data-original",
    "data-large-file",
    "data-lsrc",
    "original",
    "data-img-url",
    "data-original-mos",
    "data-image",
    "data-gt-lazy-src",
    "data-src-large",
    "data-src-medium",
    "data-src-small",
    "data-cfsrc",
    "data-original-retina",
    "data-img-retina-url",
    "data-lazy",
    "lazysrc",
    "lazy-src",
    "data-zeen-src",
    "data-m-lazyloader-src",
    "data-dejavu-src",
    "data-full-url",
    "datasrc",
    "data-retina-src",
)
"""Attributes that lazy loaders keep the picture in; read whatever src holds."""

_LAZY_NAME = re.compile(r"src|lazy|original|image|full|large")
_IMAGE_PATH = re.compile(r"\.(?:jpe?g|png|webp|gif|avif|bmp)(?:[?#]|\Z)", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"(?:^|[/_-])(?:blank|spacer|pixel|transparent|placeholder|lazy|loading|grey|gray|1x1|clear)"
    r"[^/]*\.(?:gif|png|svg|jpe?g|webp)(?:[?#]|\Z)",
    re.IGNORECASE,
)
_DECODABLE = frozenset(
    f"image/{name}" for name in ("jpeg", "jpg", "png", "webp", "gif", "avif", "bmp")
)
MAX_CANDIDATES = 50
"""Read for one image."""
_LINK_LEVELS = 3
"""How far above an image the link to its full size may stand."""


class ImageUrls(msgspec.Struct, frozen=True):
    """The URLs of one image element, absolute; both empty when there is none."""

    url: str = ""
    """The largest candidate."""
    src_url: str = ""
    """What a browser loads by default."""
    reason: str = ""
    """Why there is none: no_url, data_url or bad_url."""


def image_urls(node: LexborNode, attributes: Attributes, base: str) -> ImageUrls:
    """Choose the URLs of an image element.

    A candidate from a srcset, lazy or not, on the image or on the sources of its picture, beats a
    lazy attribute, which beats src: each is known or meant to be larger than the next.
    """
    src = _joined(base, attributes.get("src"))
    sized_url = _first_url(base, (c.url for c in largest_first(_sized(node, attributes))))
    lazy_url = _first_url(base, lazy_values(attributes))
    if not (src or sized_url or lazy_url) or (src and not sized_url and _PLACEHOLDER.search(src)):
        lazy_url = lazy_url or _first_url(base, unlisted_lazy_values(attributes))
    url = sized_url or lazy_url or src
    if not url:
        url = _joined(base, _linked_image(node))
    if not url:
        return ImageUrls(reason=_why_none(node, attributes))
    is_real = src and not _PLACEHOLDER.search(src)
    return ImageUrls(url, src if is_real else lazy_url or url)


def largest_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates by their pixels: by w, then by x; equals stay in document order."""
    some = islice(candidates, MAX_CANDIDATES)
    return sorted(some, key=lambda c: (c.width, c.density), reverse=True)


def lazy_values(attributes: Attributes) -> Iterator[str]:
    """The values of the known lazy-loading attributes that look like a URL."""
    for name in LAZY_SRCS:
        value = (attributes.get(name) or "").strip()
        # data-lazy="true", data-image="123", data-original="{...}" are no URLs.
        if ("/" in value or _IMAGE_PATH.search(value)) and value[0] not in "{[<":
            yield value


def unlisted_lazy_values(attributes: Attributes) -> Iterator[str]:
    """The values of attributes that are not listed but named like one, and hold an image's URL."""
    for name, value in attributes.items():
        if name not in ("src", "srcset", "alt", "title") and _LAZY_NAME.search(name):
            url = (value or "").strip()
            if _IMAGE_PATH.search(url) and " " not in url and url[0] not in "{[<":
                yield url


def _sized(node: LexborNode, attributes: Attributes) -> Iterator[Candidate]:
    """The candidates whose size is declared, lazy ones first, then the sources of a picture."""
    yield from _srcsets(attributes)
    parent = node.parent
    if parent is None or parent.tag != "picture":
        return
    sibling = parent.first_child
    while sibling is not None and sibling.mem_id != node.mem_id:
        if sibling.tag == "source":
            found = sibling.attributes
            kind = (found.get("type") or "").partition(";")[0].strip().lower()
            if not kind or kind in _DECODABLE:
                yield from _srcsets(found)
        sibling = sibling.next


def _srcsets(attributes: Attributes) -> Iterator[Candidate]:
    for name in (*LAZY_SRCSETS, "srcset"):
        text = attributes.get(name)
        if text:
            yield from parse_srcset(text)


def _linked_image(node: LexborNode) -> str:
    """Where the link around an image leads, if to an image file: the full size of a thumbnail."""
    above = node.parent
    for _ in range(_LINK_LEVELS):
        if above is None:
            break
        if above.tag == "a":
            href = above.attributes.get("href") or ""
            return href if _IMAGE_PATH.search(href) else ""
        above = above.parent
    return ""


def _why_none(node: LexborNode, attributes: Attributes) -> str:
    values = [attributes.get("src") or "", *lazy_values(attributes)]
    values += [candidate.url for candidate in largest_first(_sized(node, attributes))]
    written = [value.strip() for value in values if value.strip()]
    if not written:
        return "no_url"
    is_data = all(value[:5].lower() == "data:" for value in written)
    return "data_url" if is_data else "bad_url"


def _first_url(base: str, values: Iterable[str]) -> str:
    return next((url for value in values if (url := join(base, value))), "")


def _joined(base: str, value: str | None) -> str:
    """The absolute URL of a reference; an empty one is none (it would name the page itself)."""
    return join(base, value) or "" if value and value.strip() else ""
