"""Which caption belongs to which image: by figure, and by class name.

A figcaption captions all images of its figure, for that is what the HTML standard says. A caption
by class name has no such tie, so it goes to an image only when nothing else can be meant: the
nearest element that holds the caption and any image must hold one image, or as many images as
captions. All lookups are by identity in tables made once: linear however the page is nested.
"""

from collections.abc import Iterable, Iterator, Sequence

from selectolax.lexbor import LexborNode

from webpairs_crawler.page.plain import TextReader
from webpairs_crawler.page.tags import FIGCAPTION, FIGURE

FIGURE_LEVELS = 16
"""How far above an image, or above a figcaption, its figure may stand."""
CAPTION_LEVELS = 3
"""How far above a caption the element may stand that also holds its image."""
IMAGE_LEVELS = 8
"""How far above an image that element may stand."""


def above(node: LexborNode, levels: int) -> Iterator[LexborNode]:
    """The ancestors of a node, the nearest first."""
    parent = node.parent
    for _ in range(levels):
        if parent is None:
            return
        yield parent
        parent = parent.parent


class FigureCaptions:
    """The figcaptions of a page, by figure."""

    def __init__(self, figcaptions: Iterable[LexborNode], reader: TextReader) -> None:
        self._reader = reader
        self._by_figure: dict[int, LexborNode] = {}
        for caption in figcaptions:
            for ancestor in above(caption, FIGURE_LEVELS):
                if ancestor.tag_id == FIGURE:
                    self._by_figure.setdefault(ancestor.mem_id, caption)
                    break

    def text(self, image: LexborNode) -> str:
        """The raw caption of the nearest figure around an image that has one of its own."""
        if self._by_figure:
            for ancestor in above(image, FIGURE_LEVELS):
                caption = self._by_figure.get(ancestor.mem_id)
                if caption is not None:
                    return self._reader.text(caption)
        return ""


class ClassCaptions:
    """The elements with a caption's class name, by image."""

    def __init__(
        self, captions: Sequence[LexborNode], images: Sequence[LexborNode], reader: TextReader
    ) -> None:
        self._reader = reader
        self._by_image: dict[int, LexborNode] = {}
        if captions:
            self._match(captions, images)

    def text(self, image: LexborNode) -> str:
        """The raw caption of an image; empty when it has none."""
        caption = self._by_image.get(image.mem_id)
        return self._reader.text(caption) if caption is not None else ""

    def _match(self, captions: Sequence[LexborNode], images: Sequence[LexborNode]) -> None:
        images_in: dict[int, list[int]] = {}
        for image in images:
            for ancestor in above(image, IMAGE_LEVELS):
                images_in.setdefault(ancestor.mem_id, []).append(image.mem_id)
        captions_in: dict[int, list[LexborNode]] = {}
        taken: set[int] = set()
        for caption in captions:
            if caption.mem_id in images_in:  # a box around image and caption
                continue
            holder = _holder(caption, images_in, taken)
            if holder:
                taken.add(caption.mem_id)
                captions_in.setdefault(holder, []).append(caption)
        for holder, held in captions_in.items():
            inside = images_in[holder]
            if len(inside) in (1, len(held)):
                self._by_image.update(zip(inside, held, strict=False))


def _holder(caption: LexborNode, images_in: dict[int, list[int]], taken: set[int]) -> int:
    """The nearest element that holds this caption and an image; 0 for none."""
    for ancestor in above(caption, CAPTION_LEVELS):
        if ancestor.mem_id in taken or ancestor.tag_id == FIGCAPTION:
            return 0  # a part of a caption that is known already
        if ancestor.mem_id in images_in:
            return ancestor.mem_id
    return 0
