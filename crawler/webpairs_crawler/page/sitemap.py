"""Sitemaps: the pages that a site names, and the pairs that its image sitemaps spell out.

Read as a stream of tags and never as a tree: a sitemap may be 50 MB of a stranger's XML, and a tree
of it ten times that. Entities stay unresolved, so they cannot multiply.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

import msgspec
from lxml import etree

from webpairs_core.keys import pair_key
from webpairs_core.records import Pair, TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.optout.signals import signals_from_headers
from webpairs_crawler.page.extract import Page, PageSource
from webpairs_crawler.page.sitemap_bytes import inflated, repaired
from webpairs_crawler.page.texts import TEXT_CHARS
from webpairs_crawler.web.urls import join

MAX_URLS = 50_000
"""Read of one sitemap (sitemaps.org, protocol 0.9)."""
MAX_IMAGES = 50_000
"""Read of one sitemap; the rest is counted as `page_full`."""
MAX_TAGS = 1_000_000
"""Read of one sitemap: full ones have half as many, and the time it takes stays under 2 s."""
MAX_DEPTH = 100
MAX_GAP = 1024 * 1024
"""Bytes without a tag: lxml would keep them all before it says anything."""
MAX_LINE = 16_384
"""Of a text sitemap."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ABSOLUTE = re.compile(rb"https?://", re.IGNORECASE)
_TEXTS = (("title", TextSource.TITLE), ("caption", TextSource.FIGCAPTION))
"""The texts of an image:image, and what they are called among the texts of pages."""
_ITEMS = frozenset(["url", "sitemap", "item", "entry"])
_READ = frozenset(["loc", "title", "caption", "license", "link"])
# noindex on a sitemap keeps the sitemap out of search results, and says nothing of the images.
_OF_THE_FILE = ("noindex", "none", "nofollow", "noarchive", "nosnippet")


class Sitemap(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from a sitemap."""

    page: Page
    """The pages named are its links; image:image makes its pairs, of which each names its page."""
    sitemaps: tuple[str, ...] = ()
    """The sitemaps that an index names, without repeats."""
    faults: dict[str, int] = {}
    """malformed, too_large, too_many_urls, too_many_tags, bad_gzip, no_loc, bad_url: how often."""


def read_sitemap(body: bytes, source: PageSource) -> Sitemap:
    """Read a sitemap or an index of them (XML, text or feed; plain or gzip).

    An image:title is a text of kind `title`, an image:caption one of kind `figcaption`; they make
    pairs when `source.texts` asks for them. Never raises on bad bytes: what could be read counts.
    """
    found = _Found(source)
    chunks = inflated(body, found.faults)
    first = next(chunks, b"").lstrip(b"\xef\xbb\xbf \t\r\n\0")
    if first[:1] == b"<" or first[:2] in _UTF_16:
        _read_xml(first, chunks, found)
    else:
        _read_lines(first, chunks, found)
    return found.sitemap()


class _Found:
    """What was found so far."""

    def __init__(self, source: PageSource) -> None:
        self.faults: Counter[str] = Counter()
        self._source = source
        headers = signals_from_headers(source.headers, "page", source.agent)
        own = {f"x-robots-tag:{token}@page" for token in _OF_THE_FILE}
        self._optout = tuple(sorted((set(headers) - own) | set(source.signals)))
        self._links: dict[str, None] = {}
        self._sitemaps: dict[str, None] = {}
        self._pairs: list[Pair] = []
        self._n_urls = 0
        self._n_images = 0
        self._unpaired: Counter[str] = Counter()

    def add(self, loc: str, *, is_sitemap: bool = False) -> str:
        """Take a URL of a page or sitemap; its absolute form, empty when it is none.

        Raises _Stop at the first one too many.
        """
        self._n_urls += 1
        if self._n_urls > MAX_URLS:
            self.faults["too_many_urls"] += 1
            raise _Stop
        url = _joined(self._source.url, loc)
        if not url:
            self.faults["bad_url" if loc.strip() else "no_loc"] += 1
            return ""
        (self._sitemaps if is_sitemap else self._links)[url] = None
        return url

    def add_image(self, page_url: str, image: dict[str, str]) -> None:
        self._n_images += 1
        if self._n_images > MAX_IMAGES:
            self._unpaired["page_full"] += 1
            return
        wanted = [(field, kind) for field, kind in _TEXTS if kind in self._source.texts]
        texts = [(kind, normalise_text(image.get(field, ""))) for field, kind in wanted]
        texts = [(kind, text) for kind, text in texts if text]
        url = _joined(page_url, image.get("loc", ""))
        if not texts:
            self._unpaired["no_text"] += 1
        elif not url:
            self._unpaired["bad_url" if image.get("loc", "").strip() else "no_url"] += 1
        else:
            license_url = _joined(page_url, image.get("license", ""))
            for kind, text in texts:
                self._pairs.append(self._pair(page_url, (url, license_url), kind, text))

    def sitemap(self) -> Sitemap:
        page = Page(
            url=self._source.url,
            pairs=tuple(self._pairs),
            links=tuple(self._links),
            n_images=self._n_images,
            unpaired=dict(sorted(self._unpaired.items())),
            optout=self._optout,
        )
        faults = dict(sorted(self.faults.items()))
        return Sitemap(page=page, sitemaps=tuple(self._sitemaps), faults=faults)

    def _pair(self, page_url: str, urls: tuple[str, str], kind: TextSource, text: str) -> Pair:
        url, license_url = urls
        return Pair(
            key=pair_key(url, text),
            url=url,
            src_url=url,
            text=text,
            text_source=kind,
            page_url=page_url,
            position=len(self._pairs),
            found_in=self._source.found_in,
            fetched_at=self._source.fetched_at,
            optout=self._optout,
            license_url=license_url,
        )


class _Stop(Exception):
    """Raised out of the parser to end it."""


class _Tags:
    """What lxml calls for each tag. Tags go by their local names: prefixes are often undeclared."""

    def __init__(self, found: _Found) -> None:
        self._found = found
        self._open: list[str] = []
        self._n_tags = 0
        self._item: dict[str, str] | None = None
        self._image: dict[str, str] | None = None
        self._images: list[dict[str, str]] = []
        self._text: list[str] | None = None
        self._n_chars = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        self._n_tags += 1
        self._open.append(name)
        if self._n_tags > MAX_TAGS or len(self._open) > MAX_DEPTH:
            self._found.faults["too_many_tags"] += 1
            raise _Stop
        if name in _ITEMS:
            self._item, self._images, self._image = {}, [], None
        elif self._item is not None and name == "image":
            self._image = {}
        elif name in _READ:
            self._text, self._n_chars = [], 0
            is_page = attributes.get("rel", "alternate") == "alternate"
            if name == "link" and self._parent == "entry" and is_page and self._item is not None:
                self._item.setdefault("loc", attributes.get("href", ""))

    def data(self, text: str) -> None:
        if self._text is not None and self._n_chars < TEXT_CHARS:
            self._text.append(text[: TEXT_CHARS - self._n_chars])
            self._n_chars += len(text)

    def end(self, tag: str) -> None:
        name = _local(tag)
        if name in _READ and self._text is not None:
            self._keep(name, "".join(self._text))
            self._text = None
        elif name == "image" and self._image is not None:
            self._images.append(self._image)
            self._image = None
        elif name in _ITEMS and self._item is not None:
            self._finish(name)
        if self._open:
            self._open.pop()

    def close(self) -> None:
        """Called at the end of the file."""
        self.finish()

    def finish(self) -> None:
        """An item that never ended counts too."""
        if self._item is not None:
            self._finish(next((name for name in reversed(self._open) if name in _ITEMS), "url"))

    @property
    def _parent(self) -> str:
        return self._open[-2] if len(self._open) > 1 else ""

    def _keep(self, name: str, text: str) -> None:
        if self._parent == "image" and self._image is not None:
            self._image.setdefault(name, text)
        elif self._item is not None:
            is_loc = name == "loc" and self._parent in ("url", "sitemap")
            is_link = name == "link" and self._parent == "item"
            if is_loc or is_link:
                self._item.setdefault("loc", text)

    def _finish(self, name: str) -> None:
        item, images = self._item or {}, self._images
        self._item, self._images = None, []
        url = self._found.add(item.get("loc", ""), is_sitemap=name == "sitemap")
        if url and name != "sitemap":
            for image in images:
                self._found.add_image(url, image)


def _read_xml(first: bytes, chunks: Iterator[bytes], found: _Found) -> None:
    tags = _Tags(found)
    parser = etree.XMLParser(
        target=tags,
        recover=True,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    is_wide = first[:2] in _UTF_16
    pieces = chain((first,), chunks) if is_wide else repaired(chain((first,), chunks))
    n_without = 0
    try:
        for chunk in pieces:
            n_without = 0 if b"<" in chunk else n_without + len(chunk)
            if n_without > MAX_GAP:
                found.faults["malformed"] += 1
                return
            parser.feed(chunk)
        parser.close()
    except _Stop:
        return
    except (etree.LxmlError, ValueError):  # ValueError: names that are no Unicode
        with suppress(_Stop):
            tags.finish()
        found.faults["malformed"] += 1
        return
    if len(parser.feed_error_log.filter_from_fatals()):
        found.faults["malformed"] += 1


def _read_lines(first: bytes, chunks: Iterator[bytes], found: _Found) -> None:
    """A text sitemap: one whole URL a line, in UTF-8 (sitemaps.org)."""
    rest = b""
    try:
        for chunk in chain((first,), chunks, (b"\n",)):
            *lines, rest = (rest + chunk.replace(b"\r", b"\n")).split(b"\n")
            for line in filter(None, map(bytes.strip, lines)):
                is_url = len(line) <= MAX_LINE and _ABSOLUTE.match(line)
                found.add(line.decode("utf-8", "replace") if is_url else "data:")
            if len(rest) > MAX_LINE:
                rest = b" " * (MAX_LINE + 1)  # stays too long, and grows no further
    except _Stop:
        return


def _joined(base: str, written: str) -> str:
    """The absolute http(s) URL; empty when there is none."""
    return (join(base, written.strip()) or "") if written.strip() else ""


def _local(tag: str) -> str:
    return tag.rpartition("}")[2].rpartition(":")[2].lower()
