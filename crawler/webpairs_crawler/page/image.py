"""One image that a page speaks of, whatever way it was found."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from webpairs_core.records import TextSource
from webpairs_crawler.page.candidates import ImageUrls

_PIXELS = re.compile(r"\s*([0-9]{1,6})")


class FoundImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image and the texts that one place of the page gives it."""

    urls: ImageUrls
    texts: tuple[tuple[TextSource, str], ...]
    """Normalised, none of them empty, none twice."""
    size: tuple[int, int] = (0, 0)
    """Declared width and height in CSS pixels; 0 for unknown."""
    license_url: str = ""
    """Its own licence; empty when only the page may have one."""
    is_copy: bool = False
    """Found where pages repeat what they show elsewhere: noscript, metadata, links."""


def first_sources(
    found: Iterable[FoundImage], asked: Sequence[TextSource]
) -> dict[tuple[str, str], TextSource]:
    """For each URL and text of the page the first source, in the recipe's order, that gives it."""
    rank = {source: i for i, source in enumerate(asked)}
    first: dict[tuple[str, str], TextSource] = {}
    for image in found:
        for source, text in image.texts:
            row = (image.urls.url, text)
            if row not in first or rank[source] < rank[first[row]]:
                first[row] = source
    return first


def new_rows(
    image: FoundImage,
    first: Mapping[tuple[str, str], TextSource],
    given: Collection[tuple[str, str]],
) -> list[tuple[TextSource, str]]:
    """The sources and texts that make pairs of an image; `given` are the pairs made before it, as
    URL and text, of which a copy makes none."""
    url = image.urls.url
    return [
        (source, text)
        for source, text in image.texts
        if url and first[url, text] is source and not (image.is_copy and (url, text) in given)
    ]


def pixels(value: object) -> int:
    """A declared width or height in CSS pixels; 0 for none, a percentage and nonsense."""
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 < value < 1_000_000 else 0
    if isinstance(value, float):
        return int(value) if 0 < value < 1_000_000 else 0
    if not isinstance(value, str):
        return 0
    found = _PIXELS.match(value)
    return int(found.group(1)) if found and "%" not in value else 0
