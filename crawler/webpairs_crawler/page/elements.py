"""One look at the parsed tree: every element that extraction reads, sorted by what it is for.

One selector with many branches instead of a query for each: walking the tree is what a query costs,
and the walk is the same whatever it looks for.
"""

from collections.abc import Mapping

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from webpairs_crawler.page.tags import AREA, FIGCAPTION, IMG, META, A

Attributes = Mapping[str, str | None]

MAX_LINKS = 10_000
"""Links read of one page: more are a trap for crawlers."""
MAX_CAPTIONS = 2_000
"""Caption elements of either kind read of one page."""
MAX_METAS = 1_000
"""The largest number on a real page of the census was 127."""
MAX_URLS = 100
"""Bases and licences read of one page; one of each counts, the first that is a URL."""
MAX_SCRIPTS = 50
"""JSON-LD blocks read of one page."""

_SELECTOR = (
    "img, amp-img, a[href], area[href], figcaption, meta[content], title, base[href], noscript,"
    'link[rel~="license" i][href], script[type*="ld+json" i], [class*="caption" i],'
    '[itemprop="caption" i]'
)
_NO_CAPTION_TAGS = "picture source video track input button select script style svg"
_NO_CAPTION = frozenset(_NO_CAPTION_TAGS.split())


class Elements(msgspec.Struct, kw_only=True):
    """The elements of one page, each list in document order."""

    images: list[LexborNode] = []
    """img and amp-img elements, those of noscript included."""
    links: list[tuple[str, LexborNode, Attributes]] = []
    """Where each leads, as written; the element; its attributes."""
    figcaptions: list[LexborNode] = []
    captions: list[LexborNode] = []
    """Elements with a caption-like class, or named so in microdata."""
    metas: list[Attributes] = []
    bases: list[str] = []
    licenses: list[tuple[str, str]] = []
    """The media type and the address of each rel=license, as written."""
    scripts: list[LexborNode] = []
    """JSON-LD blocks."""
    lang: str = ""
    """The lang of the html element, as written."""
    title: LexborNode | None = None
    noscripts: set[int] = set()
    """By identity."""


def look(tree: LexborHTMLParser) -> Elements:
    """Collect the elements of a page, each at most once."""
    root = tree.root
    found = Elements(lang=(root.attributes.get("lang") or "") if root else "")
    last = 0
    for node in tree.css(_SELECTOR):
        if node.mem_id == last:  # one answer for each branch that it matches
            continue
        last = node.mem_id
        tag = node.tag_id
        if tag in (A, AREA):
            attributes = node.attributes
            if "href" in attributes and len(found.links) < MAX_LINKS:  # else here for its class
                found.links.append((attributes["href"] or "", node, attributes))
                if "rel" in attributes:
                    _add_license(found, attributes)
        elif tag == IMG:
            found.images.append(node)
        elif tag == META:
            if len(found.metas) < MAX_METAS:
                found.metas.append(node.attributes)
        elif tag == FIGCAPTION:
            if len(found.figcaptions) < MAX_CAPTIONS:
                found.figcaptions.append(node)
        else:
            _add_other(found, node, node.tag or "")
    return found


def _add_license(found: Elements, attributes: Attributes) -> None:
    words = (attributes["rel"] or "").lower().split()
    if "license" in words and len(found.licenses) < MAX_URLS:
        found.licenses.append(_license(attributes))


def _license(attributes: Attributes) -> tuple[str, str]:
    return attributes.get("type") or "", attributes.get("href") or ""


def _add_other(found: Elements, node: LexborNode, tag: str) -> None:
    if tag == "amp-img":
        found.images.append(node)
    elif tag == "title":
        # Others are of inline drawings.
        if found.title is None and node.parent is not None and node.parent.tag in ("head", "body"):
            found.title = node
    elif tag == "base":
        if len(found.bases) < MAX_URLS:
            found.bases.append(node.attributes.get("href") or "")
    elif tag == "link":
        if len(found.licenses) < MAX_URLS:
            found.licenses.append(_license(node.attributes))
    elif tag == "noscript":
        found.noscripts.add(node.mem_id)
    elif tag == "script":
        if len(found.scripts) < MAX_SCRIPTS:
            found.scripts.append(node)
    elif tag not in _NO_CAPTION and len(found.captions) < MAX_CAPTIONS:
        found.captions.append(node)
