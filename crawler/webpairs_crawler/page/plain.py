"""The text inside an element as a reader sees it, with an end to the work it may take.

lexbor's own `text()` glues blocks together (`<p>A</p><p>B</p>` is "AB") and reads all there is: ten
thousand labels that point at the body would be read ten thousand times.
"""

import html
import re

from selectolax.lexbor import LexborNode

CAPTION_CHARS = 1_000
"""Texts that stand in elements are cut here: several images may share them."""
MAX_NODES = 500
"""Nodes read for one text."""
PAGE_NODES = 200_000
"""Nodes read for all texts of a page; then there are no more texts."""

_INLINE_TAGS = (
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd mark nobr q rb ruby s"
    " samp small span strike strong sub sup time tt u var wbr"
)
_INLINE = frozenset(_INLINE_TAGS.split())
_UNREAD_TAGS = "script style template noscript iframe object svg math rt rp"
_UNREAD = frozenset(_UNREAD_TAGS.split())
_TAG = re.compile(r"<[a-zA-Z/!][^<>]*>")


class TextReader:
    """Reads the texts of one page's elements; remembers them."""

    def __init__(self) -> None:
        self._nodes_left = PAGE_NODES
        self._known: dict[int, str] = {}

    def text(self, node: LexborNode) -> str:
        """The raw text inside an element, at most CAPTION_CHARS; blocks are set apart by spaces."""
        if node.mem_id not in self._known:
            self._known[node.mem_id] = self._read(node)
        return self._known[node.mem_id]

    def _read(self, top: LexborNode) -> str:
        pieces: list[str] = []
        n_chars = 0
        limit = min(MAX_NODES, self._nodes_left)
        n_nodes = 0
        node = top.first_child
        depth = 1
        while node is not None and n_nodes < limit and n_chars < CAPTION_CHARS:
            n_nodes += 1
            tag = node.tag
            below = None
            if node.is_text_node:
                pieces.append((node.text_content or "")[:CAPTION_CHARS])
                n_chars += len(pieces[-1])
            elif tag not in _UNREAD:
                if tag not in _INLINE:
                    pieces.append(" ")
                below = node.first_child
            if below is not None:
                node, depth = below, depth + 1
                continue
            # Up to where something follows.
            while node is not None and node.next is None:
                node, depth = node.parent, depth - 1
                if depth == 0:
                    node = None
                elif node is not None and node.tag not in _INLINE:
                    pieces.append(" ")
            node = node.next if node is not None else None
        self._nodes_left -= n_nodes
        return "".join(pieces)[:CAPTION_CHARS]


def without_tags(text: str) -> str:
    """A text that may hold markup, as in JSON-LD and data attributes, without it.

    It may be escaped once more than its reader undoes, and is read as such then.
    """
    if "&lt;" in text:
        text = html.unescape(text)
    return _TAG.sub(" ", text) if "<" in text else text
