"""From a page to pairs: pure, the same for a live crawl and for archived pages.

Each image with a text and an http(s) URL makes a pair for each text, icons and tracking pixels too:
judging is the filters' work, and nothing may vanish on the way to them. What pages repeat is not a
pair twice, though: a text that several sources give one image is tagged with the first of them in
the recipe's order, and copies (noscript, metadata, links) of what was found already are counted as
`repeated`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from webpairs_core.keys import normal_pair_key
from webpairs_core.records import Pair, TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.optout.signals import (
    forbids_links,
    signals_from_headers,
    signals_from_links,
    signals_from_meta,
)
from webpairs_crawler.page.candidates import ImageUrls, image_urls, is_placeholder
from webpairs_crawler.page.captions import above
from webpairs_crawler.page.elements import Elements, look
from webpairs_crawler.page.image import FoundImage, first_sources, new_rows, pixels
from webpairs_crawler.page.references import described_images, linked_images, shared_images
from webpairs_crawler.page.sieve import guarded
from webpairs_crawler.page.social import Card, card_of
from webpairs_crawler.page.texts import PageTexts
from webpairs_crawler.web.encoding import utf8_page
from webpairs_crawler.web.urls import join, join_all

Headers = Iterable[tuple[str, str]]

CONTEXT_CHARS = 200
MAX_IMAGES = 10_000
"""Images read of one page; the rest is counted as `page_full`."""
MAX_PAIRS = 20_000
"""Pairs made of one page; images whose pairs come later are counted as `page_full`."""
NOSCRIPT_LEVELS = 6
"""How far above an image its noscript may stand."""
_LANG = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*\Z")
_UNNAMED = ImageUrls(reason="no_text")
_EPOCH = datetime.fromtimestamp(0, UTC)


class PageSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page came from, and what to take from it."""

    url: str
    """The final URL, canonical."""
    headers: tuple[tuple[str, str], ...] = ()
    texts: tuple[TextSource, ...] = (TextSource.ALT,)
    """The sources of texts, the preferred first."""
    agent: str = ""
    """Our User-Agent: opt-out signals may name it."""
    signals: tuple[str, ...] = ()
    """Opt-out signals that the site gave elsewhere, each `name:value@where`."""
    fetched_at: datetime = _EPOCH
    found_in: str = "live"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from a page."""

    url: str
    pairs: tuple[Pair, ...] = ()
    links: tuple[str, ...] = ()
    """Where the page leads, without repeats, in document order; empty when it forbids to follow."""
    n_images: int = 0
    """Image elements, and what else the sources asked for name as an image."""
    unpaired: dict[str, int] = {}
    """Those that make no pair: no_text, no_url, data_url, bad_url, repeated, page_full."""
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
    content_type = next((v for k, v in source.headers if k.lower() == "content-type"), "")
    try:
        tree = LexborHTMLParser(guarded(utf8_page(html, content_type)))
    except SelectolaxError:
        return Page(url=source.url)
    elements = look(tree)
    card = card_of(elements.metas)
    facts = _facts(elements, card, source)
    found, n_unread = _all_images(tree, elements, card, facts)
    pairs, unpaired = _pairs(found, facts)
    if n_unread:
        unpaired["page_full"] += n_unread
    return Page(
        url=source.url,
        pairs=tuple(pairs),
        links=() if forbids_links(facts.optout) else _links(elements, facts.base),
        n_images=len(found) + n_unread,
        unpaired=dict(sorted(unpaired.items())),
        title=facts.title,
        lang=facts.lang,
        optout=facts.optout,
    )


def _facts(elements: Elements, card: Card, source: PageSource) -> _Facts:
    title = elements.title.text() if elements.title else ""
    metas = [
        (found.get("name") or "", found.get("content") or "")
        for found in elements.metas
        if "name" in found
    ]
    from_headers = signals_from_headers(source.headers, "page", source.agent)
    from_meta = signals_from_meta(metas, source.agent)
    base = next((url for href in elements.bases if (url := join(source.url, href))), source.url)
    licenses = [(kind, join(base, href) or "") for kind, href in elements.licenses]
    from_links = signals_from_links(("license", kind, url) for kind, url in licenses)
    return _Facts(
        source=source,
        base=base,
        lang=language_of(elements.lang) or language_of(card.locale.replace("_", "-")),
        title=context_of(title),
        optout=tuple(sorted({*from_headers, *from_meta, *from_links, *source.signals})),
        license_url=next((url for _, url in licenses if url), ""),
    )


def language_of(claim: str) -> str:
    """A page's claim to a language, lower case; empty when it is none (BCP 47, loosely)."""
    lower = claim.strip().lower()
    return lower if _LANG.match(lower) else ""


def context_of(title: str) -> str:
    """A page's title as the context of its pairs."""
    return normalise_text(title[: 10 * CONTEXT_CHARS])[:CONTEXT_CHARS].rstrip()


def _all_images(
    tree: LexborHTMLParser, elements: Elements, card: Card, facts: _Facts
) -> tuple[list[FoundImage], int]:
    """All images that the page names to the sources asked for, and how many were not read."""
    shown = elements.images[:MAX_IMAGES]
    copies = [_is_in_noscript(node, elements.noscripts) for node in shown]
    page = PageTexts(
        tree, elements, [n for n, is_copy in zip(shown, copies, strict=True) if not is_copy]
    )
    found = [_element(n, page, facts, is_copy) for n, is_copy in zip(shown, copies, strict=True)]
    if any(copies):
        found = [_unless_repeated(found, i) for i in range(len(found))]
    asked = facts.source.texts
    if TextSource.ANCHOR in asked:
        found += linked_images(elements, page, facts.base)
    if TextSource.JSON_LD in asked:
        found += described_images(elements, page, facts.base)
    if TextSource.OG in asked or TextSource.OG_TITLE in asked:
        found += shared_images(card, page, facts.base, asked)
    return found, len(elements.images) - len(shown)


def _is_in_noscript(node: LexborNode, noscripts: set[int]) -> bool:
    return bool(noscripts) and any(a.mem_id in noscripts for a in above(node, NOSCRIPT_LEVELS))


def _element(node: LexborNode, page: PageTexts, facts: _Facts, is_copy: bool) -> FoundImage:
    attributes = node.attributes
    texts = page.of_image(facts.source.texts, node, attributes)
    if not texts:
        return FoundImage(urls=_UNNAMED, texts=(), is_copy=is_copy)
    return FoundImage(
        urls=image_urls(node, attributes, facts.base),
        texts=tuple(texts),
        size=(pixels(attributes.get("width")), pixels(attributes.get("height"))),
        is_copy=is_copy,
    )


def _unless_repeated(found: list[FoundImage], i: int) -> FoundImage:
    """An image of noscript, unless the image beside it, which the scripts show, is the same.

    Often they differ in the size that their URLs name; the same texts give them away.
    """
    image = found[i]
    if image.is_copy and image.texts:
        for other in found[max(0, i - 1) : i] + found[i + 1 : i + 2]:
            is_shown = other.urls.url and not other.is_copy and not is_placeholder(other.urls.url)
            if is_shown and set(image.texts) <= set(other.texts):
                return FoundImage(urls=ImageUrls(reason="repeated"), texts=image.texts)
    return image


def _pairs(found: list[FoundImage], facts: _Facts) -> tuple[list[Pair], Counter[str]]:
    """The pairs of all images, and the images without one by reason."""
    first = first_sources(found, facts.source.texts)
    pairs: list[Pair] = []
    unpaired: Counter[str] = Counter()
    given: set[tuple[str, str]] = set()
    for image in found:
        url = image.urls.url
        rows = new_rows(image, first, given)
        if not rows:
            reason = "repeated" if url and image.texts else image.urls.reason
            unpaired[reason if image.texts else "no_text"] += 1
        elif len(pairs) + len(rows) > MAX_PAIRS:
            unpaired["page_full"] += 1
        else:
            for row in rows:
                given.add((url, row[1]))
                pairs.append(_pair(facts, image, row, len(pairs)))
    return pairs, unpaired


def _pair(facts: _Facts, image: FoundImage, row: tuple[TextSource, str], position: int) -> Pair:
    source, text = row
    return Pair(
        key=normal_pair_key(image.urls.url, text),
        url=image.urls.url,
        src_url=image.urls.src_url,
        text=text,
        text_source=source,
        page_url=facts.source.url,
        position=position,
        page_lang=facts.lang,
        declared_width=image.size[0],
        declared_height=image.size[1],
        found_in=facts.source.found_in,
        fetched_at=facts.source.fetched_at,
        optout=facts.optout,
        license_url=image.license_url or facts.license_url,
        context=facts.title,
    )


def _links(elements: Elements, base: str) -> tuple[str, ...]:
    hrefs = dict.fromkeys([link[0] for link in elements.links])
    return tuple([url for url in dict.fromkeys(join_all(base, hrefs)) if url])
