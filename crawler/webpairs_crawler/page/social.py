"""The images that a page names for those who share it: Open Graph and Twitter cards.

og:image:alt speaks of the image. og:title speaks of the page; with og:image it is a pair in the
weak sense only (the title of an article beside its lead picture). It is a source of its own,
`og_title`, so that nobody gets it who asked for the other.
"""

from collections.abc import Iterable

import msgspec

from webpairs_crawler.page.elements import Attributes

MAX_SHARED = 50
"""Images read of one page's cards."""
_URL_NAMES = frozenset(
    [
        "og:image",
        "og:image:url",
        "og:image:secure_url",
        "twitter:image",
        "twitter:image:src",
        "twitter:image0",
    ]
)


class SharedImage(msgspec.Struct):
    """An image of a card, as written. Not frozen: its properties come one meta at a time."""

    url: str
    family: str
    """og or twitter."""
    alt: str = ""
    width: str = ""
    height: str = ""


class Card(msgspec.Struct):
    """What the metas of a page say to those who share it."""

    images: list[SharedImage] = []
    title: str = ""
    locale: str = ""
    """og:locale, e.g. en_US."""
    early_alts: dict[str, str] = {}
    """By family: an alt that came before the image it speaks of, or without one."""


def card_of(metas: Iterable[Attributes]) -> Card:
    """Read the Open Graph and Twitter metas (ogp.me: properties belong to the image before them).

    Sites write these names into `property` and `name` alike, so both are read.
    """
    card = Card()
    for attributes in metas:
        name = (attributes.get("property") or attributes.get("name") or "").strip().lower()
        family = name.partition(":")[0]
        if family in ("og", "twitter"):
            content = attributes.get("content") or ""
            if content.strip():
                _add(card, family, name, content)
    for family in ("og", "twitter"):
        # A Twitter card without an image of its own shows that of Open Graph.
        images = [i for i in card.images if i.family == family] or card.images
        if family in card.early_alts and images and not images[0].alt:
            images[0].alt = card.early_alts[family]
    return card


def _add(card: Card, family: str, name: str, content: str) -> None:
    last = next((image for image in reversed(card.images) if image.family == family), None)
    if name in _URL_NAMES:
        url = content.strip()
        # og:image:url and og:image:secure_url are the same image once more.
        is_other = last is None or (last.url != url and name in ("og:image", "twitter:image"))
        if is_other and len(card.images) < MAX_SHARED:
            card.images.append(SharedImage(url, family))
    elif name == "og:title" or (name == "twitter:title" and not card.title):
        card.title = card.title or content
    elif name == "og:locale":
        card.locale = card.locale or content.strip()
    elif name in ("og:image:alt", "twitter:image:alt"):
        if last is None:
            card.early_alts.setdefault(family, content)
        else:
            last.alt = last.alt or content
    elif last is not None:
        if name == "og:image:width":
            last.width = last.width or content
        elif name == "og:image:height":
            last.height = last.height or content
