"""One image that a page speaks of, whatever way it was found."""

import re

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
