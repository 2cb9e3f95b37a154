"""From a page to pairs: pure, the same for a live crawl and for archived pages.

Each image element with a text and an http(s) URL makes a pair for each text source, icons and
tracking pixels too: judging is the filters' work, and nothing may vanish on the way to them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from webpairs_core.keys import pair_key
from webpairs_core.records import Pair, TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.optout.signals import forbids_links, signals_from_headers, signals_from_meta
from webpairs_crawler.page.candidates import ImageUrls, image_urls
from webpairs_crawler.page.sieve import guarded
from webpairs_crawler.page.texts import PageTexts
from webpairs_crawler.web.encoding import decode_page
from webpairs_crawler.web.urls import join

Headers = Iterable[tuple[str, str]]

CONTEXT_CHARS = 200
MAX_LINKS = 10_000
"""Links read of one page: more are a trap for crawlers."""
MAX_IMAGES = 20_000
"""Image elements read of one page; the rest is counted as `page_full`."""
_IMAGES = "img, amp-img"
_LINKS = "a[href], area[href]"
_LANG = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*\Z")
_PIXELS = re.compile(r"\s*([0-9]{1,6})")
_EPOCH = datetime.fromtimestamp(0, UTC)


class PageSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page came from, and what to take from it."""

    url: str
    """The final URL, canonical."""
    headers: tuple[tuple[str, str], ...] = ()
    texts: tuple[TextSource, ...] = (TextSource.ALT,)
    agent: str = ""
    """Our User-Agent: opt-out signals may name it."""
    fetched_at: datetime = _EPOCH
    found_in: str = "live"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from a page."""

    url: str
    pairs: tuple[Pair, ...] = ()
    links: tuple[str, ...] = ()
    """Where the page leads, without repeats, in document order; empty when it forbids to follow."""
    n_images: int = 0
    unpaired: dict[str, int] = {}
    """Image elements that make no pair: no_text, no_url, data_url, bad_url, page_full."""
    title: str = ""
    lang: str = ""
    optout: tuple[str, ...] = ()


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What all images of a page share."""

    source: PageSource
    base: str
    lang: str
    title: str
    optout: tuple[str, ...]
    license_url: str


def extract(
    html: bytes, url: str, headers: Headers, texts: Sequence[TextSource] = (TextSource.ALT,)
) -> list[Pair]:
    """The pairs of a page, in document order."""
    source = PageSource(url=url, headers=tuple(headers), texts=tuple(texts))
    return list(read_page(html, source).pairs)


def read_page(html: bytes, source: PageSource) -> Page:
    """Read a page: its pairs, its links, and the images that make no pair, by reason.

    Never raises on bad pages: what the parser refuses outright is a page without images.
    """
    try:
        tree = LexborHTMLParser(guarded_text(html, source))
    except SelectolaxError:
        return Page(url=source.url)
    facts = _facts(tree, source)
    images = tree.css(_IMAGES)
    pairs, unpaired = _pairs(tree, images, facts)
    return Page(
        url=source.url,
        pairs=tuple(pairs),
        links=() if forbids_links(facts.optout) else _links(tree, facts.base),
        n_images=len(images),
        unpaired=dict(sorted(unpaired.items())),
        title=facts.title,
        lang=facts.lang,
        optout=facts.optout,
    )


def guarded_text(html: bytes, source: PageSource) -> bytes:
    """The page in UTF-8, safe to parse."""
    content_type = next((v for k, v in source.headers if k.lower() == "content-type"), "")
    return guarded(decode_page(html, content_type).encode("utf-8", "replace"))


def _facts(tree: LexborHTMLParser, source: PageSource) -> _Facts:
    root = tree.root
    lang = (root.attributes.get("lang") or "").strip().lower() if root else ""
    title = tree.css_first("head title")
    metas = [
        (found.get("name") or "", found.get("content") or "")
        for found in (node.attributes for node in tree.css("meta[name]"))
    ]
    from_headers = signals_from_headers(source.headers, "page", source.agent)
    from_meta = signals_from_meta(metas, source.agent)
    base = _base(tree, source.url)
    return _Facts(
        source=source,
        base=base,
        lang=lang if _LANG.match(lang) else "",
        title=normalise_text(title.text()[: 10 * CONTEXT_CHARS])[:CONTEXT_CHARS] if title else "",
        optout=tuple(sorted({*from_headers, *from_meta})),
        license_url=_license(tree, base),
    )


def _base(tree: LexborHTMLParser, url: str) -> str:
    """The first base element with a valid URL, resolved against the page's own (HTML standard)."""
    for node in tree.css("base[href]"):
        joined = join(url, node.attributes.get("href") or "")
        if joined:
            return joined
    return url


def _license(tree: LexborHTMLParser, base: str) -> str:
    for node in tree.css('[rel~="license" i][href]'):
        joined = join(base, node.attributes.get("href") or "")
        if joined:
            return joined
    return ""


def _pairs(
    tree: LexborHTMLParser, images: list[LexborNode], facts: _Facts
) -> tuple[list[Pair], Counter[str]]:
    page_texts = PageTexts(tree)
    pairs: list[Pair] = []
    unpaired: Counter[str] = Counter()
    if len(images) > MAX_IMAGES:
        unpaired["page_full"] = len(images) - MAX_IMAGES
    for node in images[:MAX_IMAGES]:
        attributes = node.attributes
        texts = [(s, page_texts.text(s, node, attributes)) for s in facts.source.texts]
        texts = [(source, text) for source, text in texts if text]
        if not texts:
            unpaired["no_text"] += 1
            continue
        urls = image_urls(node, attributes, facts.base)
        if not urls.url:
            unpaired[urls.reason] += 1
            continue
        size = (_pixels(attributes.get("width")), _pixels(attributes.get("height")))
        for source, text in texts:
            pairs.append(_pair(facts, urls, size, (source, text), len(pairs)))
    return pairs, unpaired


def _pair(
    facts: _Facts,
    urls: ImageUrls,
    size: tuple[int, int],
    sourced: tuple[TextSource, str],
    position: int,
) -> Pair:
    source, text = sourced
    return Pair(
        key=pair_key(urls.url, text),
        url=urls.url,
        src_url=urls.src_url,
        text=text,
        text_source=source,
        page_url=facts.source.url,
        position=position,
        page_lang=facts.lang,
        declared_width=size[0],
        declared_height=size[1],
        found_in=facts.source.found_in,
        fetched_at=facts.source.fetched_at,
        optout=facts.optout,
        license_url=facts.license_url,
        context=facts.title,
    )


def _links(tree: LexborHTMLParser, base: str) -> tuple[str, ...]:
    links: dict[str, None] = {}
    for node in tree.css(_LINKS)[:MAX_LINKS]:
        joined = join(base, node.attributes.get("href") or "")
        if joined:
            links[joined] = None
    return tuple(links)


def _pixels(value: str | None) -> int:
    """A width or height attribute in CSS pixels; 0 for none and for a percentage."""
    found = _PIXELS.match(value or "")
    return int(found.group(1)) if found and "%" not in (value or "") else 0
