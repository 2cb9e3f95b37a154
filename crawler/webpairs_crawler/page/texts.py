"""The texts that a page gives an image: one function for each source, and their table."""

from collections.abc import Callable, Mapping

from selectolax.lexbor import LexborHTMLParser, LexborNode

from webpairs_core.records import TextSource
from webpairs_core.text import normalise_text

FIGURE_LEVELS = 16
"""How far above an image its figure may stand."""
TEXT_CHARS = 10_000
"""Longer texts are cut: no caption is that long, and nobody shall store a megabyte as one."""
SHARED_CHARS = 1_000
"""The same for texts that several images may share, which would multiply them."""


class PageTexts:
    """The texts of one parsed page; remembers what several images share."""

    def __init__(self, tree: LexborHTMLParser) -> None:
        self._tree = tree
        self._captions: dict[int, str] = {}
        self._labels: dict[str, str] = {}
        self._normal: set[str] = set()
        self._by_id: dict[str, LexborNode] | None = None
        self._has_figures = tree.css_first("figcaption") is not None

    def text(
        self, source: TextSource, node: LexborNode, attributes: Mapping[str, str | None]
    ) -> str:
        """The normalised text that this source gives an image element; empty when it gives none."""
        raw = SOURCES[source](self, node, attributes)[:TEXT_CHARS]
        return raw if raw in self._normal else normalise_text(raw)

    def caption(self, node: LexborNode) -> str:
        """The figcaption of the nearest figure around an image."""
        above = node.parent
        for _ in range(FIGURE_LEVELS if self._has_figures else 0):
            if above is None:
                break
            if above.tag == "figure":
                if above.mem_id not in self._captions:
                    found = above.css_first("figcaption")
                    self._captions[above.mem_id] = self._shared(found.text() if found else "")
                return self._captions[above.mem_id]
            above = above.parent
        return ""

    def by_ids(self, ids: str) -> str:
        """The text of the elements with these ids, in the order named."""
        if self._by_id is None:
            nodes = self._tree.css("[id]")
            self._by_id = {str(node.attributes.get("id")): node for node in reversed(nodes)}
        if ids not in self._labels:
            named = (self._by_id.get(name) for name in ids.split()[:10])
            raw = " ".join(node.text()[:SHARED_CHARS] for node in named if node)
            self._labels[ids] = self._shared(raw)
        return self._labels[ids]

    def _shared(self, raw: str) -> str:
        """A text that may be asked for often: cut, and normalised once."""
        text = normalise_text(raw[:SHARED_CHARS])
        self._normal.add(text)
        return text


def _alt(page: PageTexts, node: LexborNode, attributes: Mapping[str, str | None]) -> str:
    del page, node
    return attributes.get("alt") or ""


def _figcaption(page: PageTexts, node: LexborNode, attributes: Mapping[str, str | None]) -> str:
    del attributes
    return page.caption(node)


def _title(page: PageTexts, node: LexborNode, attributes: Mapping[str, str | None]) -> str:
    del page, node
    return attributes.get("title") or ""


def _aria(page: PageTexts, node: LexborNode, attributes: Mapping[str, str | None]) -> str:
    """aria-labelledby comes before aria-label (W3C accname 1.2, step 2B before 2D)."""
    del node
    labelled = attributes.get("aria-labelledby")
    return (page.by_ids(labelled) if labelled else "") or attributes.get("aria-label") or ""


Source = Callable[[PageTexts, LexborNode, Mapping[str, str | None]], str]
SOURCES: dict[TextSource, Source] = {
    TextSource.ALT: _alt,
    TextSource.FIGCAPTION: _figcaption,
    TextSource.TITLE: _title,
    TextSource.ARIA: _aria,
}
"""A new text source: write its function, name it here and in `options.CrawledText`."""
