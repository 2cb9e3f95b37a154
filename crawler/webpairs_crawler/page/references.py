"""Images that a page speaks of without an image element: links to image files, JSON-LD, cards.

Each becomes a `FoundImage` like those of elements. They are read only when the recipe asks for
their texts: then each counts as an image of the page, and makes a pair or a reason why not.
"""

from collections.abc import Iterator, Sequence

from webpairs_core.records import TextSource
from webpairs_crawler.page.candidates import is_image_file, reference_urls
from webpairs_crawler.page.elements import Elements
from webpairs_crawler.page.image import FoundImage, pixels
from webpairs_crawler.page.json_ld import image_objects
from webpairs_crawler.page.plain import without_tags
from webpairs_crawler.page.social import Card
from webpairs_crawler.page.texts import TEXT_CHARS, PageTexts, data_texts
from webpairs_crawler.web.urls import join


def linked_images(elements: Elements, page: PageTexts, base: str) -> Iterator[FoundImage]:
    """Links to image files: with the text of the link, its title and its data texts.

    A link without a text is left to the image inside it, if there is one.
    """
    for href, node, attributes in elements.links:
        if not is_image_file(href):
            continue
        raw = [page.reader.text(node), attributes.get("title") or "", *data_texts(attributes)]
        texts = _normal(page, raw, TextSource.ANCHOR)
        if texts:
            yield FoundImage(urls=reference_urls(base, href), texts=texts, is_copy=True)


def described_images(elements: Elements, page: PageTexts, base: str) -> Iterator[FoundImage]:
    """The ImageObjects of the page's JSON-LD."""
    blocks = [node.text() for node in elements.scripts]
    for thing in image_objects(blocks):
        raw = [without_tags(text[:TEXT_CHARS]) for text in thing.texts]
        yield FoundImage(
            urls=reference_urls(base, thing.url),
            texts=_normal(page, raw, TextSource.JSON_LD),
            size=(pixels(thing.width), pixels(thing.height)),
            license_url=(join(base, thing.license_url) or "") if thing.license_url else "",
            is_copy=True,
        )


def shared_images(
    card: Card, page: PageTexts, base: str, sources: Sequence[TextSource]
) -> Iterator[FoundImage]:
    """The images of the page's cards, by their alt (og) and by the page's title (og_title)."""
    for shared in card.images:
        given: dict[str, TextSource] = {}
        for source in sources:
            raw = {TextSource.OG: shared.alt, TextSource.OG_TITLE: card.title}.get(source, "")
            for found, text in _normal(page, [raw], source):
                given.setdefault(text, found)
        yield FoundImage(
            urls=reference_urls(base, shared.url),
            texts=tuple((source, text) for text, source in given.items()),
            size=(pixels(shared.width), pixels(shared.height)),
            is_copy=True,
        )


def _normal(
    page: PageTexts, raw: Sequence[str], source: TextSource
) -> tuple[tuple[TextSource, str], ...]:
    texts = dict.fromkeys(page.normal(text) for text in raw)
    return tuple((source, text) for text in texts if text)
