"""The texts that a page gives an image element: one function for each source, and their table."""

from collections.abc import Callable, Sequence

from selectolax.lexbor import LexborHTMLParser, LexborNode

from webpairs_core.records import TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.page.captions import ClassCaptions, FigureCaptions
from webpairs_crawler.page.elements import Attributes, Elements
from webpairs_crawler.page.plain import TextReader, without_tags

TEXT_CHARS = 10_000
"""Longer texts are cut: no caption is that long, and nobody shall store a megabyte as one."""
PAGE_CHARS = 2_000_000
"""Characters of texts read on one page; after them there are none. The richest page of the census
has 60,000."""
MAX_IDS = 10
"""Elements that one aria-labelledby may name."""
DATA_TEXTS = (
    # As counted in the census, then their obvious kin.
    "data-image-title",
    "data-image-caption",
    "data-image-description",
    "data-caption",
    "data-title",
    "data-alt",
    "data-image-alt",
)
"""Attributes in which scripts (galleries, lightboxes, WordPress) keep what they show as caption."""
_DATA_TEXTS = frozenset(DATA_TEXTS)


class PageTexts:
    """The texts of one parsed page; counts what they cost."""

    def __init__(
        self, tree: LexborHTMLParser, elements: Elements, images: Sequence[LexborNode]
    ) -> None:
        """`images` are those that a class caption may belong to: not the copies in noscript."""
        self._empty = set(TextSource) - SOURCES.keys()
        if not elements.figcaptions:
            self._empty.add(TextSource.FIGCAPTION)
        if not elements.captions:
            self._empty.add(TextSource.CAPTION_CLASS)
        self._tree = tree
        self._chars_left = PAGE_CHARS
        self._by_id: dict[str, LexborNode] | None = None
        self._normal: dict[str, str] = {}
        self.reader = TextReader()
        self.figures = FigureCaptions(elements.figcaptions, self.reader)
        self.captions = ClassCaptions(elements.captions, images, self.reader)

    def of_image(
        self, sources: Sequence[TextSource], node: LexborNode, attributes: Attributes
    ) -> list[tuple[TextSource, str]]:
        """The normalised texts of an image element, each with the first source that gives it."""
        found: dict[str, TextSource] = {}
        for source in sources:
            if source not in self._empty:
                for raw in SOURCES[source](self, node, attributes):
                    if raw and (text := self.normal(raw)):
                        found.setdefault(text, source)
        return [(source, text) for text, source in found.items()]

    def normal(self, raw: str) -> str:
        """A text in its normal form; empty when the page has given too many."""
        if not raw or self._chars_left <= 0:
            return ""
        known = self._normal.get(raw)
        if known is None:
            self._chars_left -= len(raw)
            known = normalise_text(raw[:TEXT_CHARS])
            self._normal[raw] = known
        return known

    def by_ids(self, ids: str) -> str:
        """The text of the elements with these ids, in the order named."""
        if self._by_id is None:
            nodes = self._tree.css("[id]")
            self._by_id = {str(node.attributes.get("id")): node for node in reversed(nodes)}
        named = (self._by_id.get(name) for name in ids.split(maxsplit=MAX_IDS)[:MAX_IDS])
        return " ".join(self.reader.text(node) for node in named if node)


def _alt(page: PageTexts, node: LexborNode, attributes: Attributes) -> Sequence[str]:
    del page, node
    return (attributes.get("alt") or "",)


def _figcaption(page: PageTexts, node: LexborNode, attributes: Attributes) -> Sequence[str]:
    del attributes
    return (page.figures.text(node),)


def _caption_class(page: PageTexts, node: LexborNode, attributes: Attributes) -> Sequence[str]:
    del attributes
    return (page.captions.text(node),)


def _title(page: PageTexts, node: LexborNode, attributes: Attributes) -> Sequence[str]:
    del page, node
    return (attributes.get("title") or "",)


def _aria(page: PageTexts, node: LexborNode, attributes: Attributes) -> Sequence[str]:
    """aria-labelledby comes before aria-label (W3C accname 1.2, step 2B before 2D)."""
    del node
    labelled = attributes.get("aria-labelledby")
    return ((page.by_ids(labelled) if labelled else "") or attributes.get("aria-label") or "",)


def _data_attr(page: PageTexts, node: LexborNode, attributes: Attributes) -> Sequence[str]:
    del page, node
    return data_texts(attributes)


def data_texts(attributes: Attributes) -> list[str]:
    """What the data attributes for texts hold, without the markup that many of them keep."""
    if _DATA_TEXTS.isdisjoint(attributes):
        return []
    values = (attributes.get(name) for name in DATA_TEXTS)
    return [without_tags(value[:TEXT_CHARS]) for value in values if value]


Source = Callable[[PageTexts, LexborNode, Attributes], Sequence[str]]
SOURCES: dict[TextSource, Source] = {
    TextSource.ALT: _alt,
    TextSource.FIGCAPTION: _figcaption,
    TextSource.CAPTION_CLASS: _caption_class,
    TextSource.TITLE: _title,
    TextSource.ARIA: _aria,
    TextSource.DATA_ATTR: _data_attr,
}
"""A new text source: write its function, name it here and in `options.CrawledText`. The sources
that speak of images without an element (JSON-LD, Open Graph, links) are in `references.py`."""
