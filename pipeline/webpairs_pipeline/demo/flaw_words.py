"""What can be wrong with the words of an image and with its address on the page."""

from typing import Final

from webpairs_pipeline.demo.captions import LANGUAGES
from webpairs_pipeline.demo.draft import Draft, Image, Page, attribute
from webpairs_pipeline.demo.markup import lost, number, tag
from webpairs_pipeline.demo.scenes import random_scene
from webpairs_pipeline.site import host_name

_GIF: Final = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_FILE_NAMES: Final = (
    "IMG_1234.jpg",
    "DSC_0042.JPG",
    "image-20240131-final.png",
    "DSCN1207",
    "hero_banner",
)
_STOCK: Final = ("image", "untitled", "photo 3", "[image]", "thumbnail", "Placeholder")
_MAX_CHARS: Final = 1000


def no_alt(draft: Draft, page: Page) -> str:
    """No alt attribute."""
    draft.unpaired["no_text"] += 1
    image = draft.picture(draft.usual_picture(), draft.usual_host(page))
    return f'<img src="{draft.reference(page, image.url)}" class="wide">'


def empty_alt(draft: Draft, page: Page) -> str:
    """An alt that is empty, or all spaces."""
    draft.unpaired["no_text"] += 1
    image = draft.picture(draft.usual_picture(), draft.usual_host(page))
    return tag(draft, page, image, draft.rng.choice(("", "", " \n ", "\u00a0")))


def _junk_text(flaw: str, draft: Draft, page: Page, text: str, reason: str) -> str:
    image = draft.picture(draft.usual_picture(), draft.usual_host(page))
    draft.pair(page, image, text, flaw, ("filter", reason))
    return tag(draft, page, image, text)


def file_name_alt(draft: Draft, page: Page) -> str:
    """The name of a file instead of words."""
    return _junk_text("file_name_alt", draft, page, draft.rng.choice(_FILE_NAMES), "text_file_name")


def stock_alt(draft: Draft, page: Page) -> str:
    """A word that fits every image."""
    return _junk_text("stock_alt", draft, page, draft.rng.choice(_STOCK), "text_boilerplate")


def short_alt(draft: Draft, page: Page) -> str:
    """Less than five characters."""
    return _junk_text(
        "short_alt", draft, page, draft.rng.choice(("toy", "Fig.", "ad")), "text_too_short"
    )


def long_alt(draft: Draft, page: Page) -> str:
    """More than a thousand characters."""
    text = ""
    while len(text) <= _MAX_CHARS:
        text += draft.caption(random_scene(draft.rng)) + ". "
    return _junk_text("long_alt", draft, page, text.strip() + " The end.", "text_too_long")


def other_language(draft: Draft, page: Page) -> str:
    """A caption in another language than the page's."""
    image = draft.picture(draft.usual_picture(), draft.usual_host(page))
    text = draft.caption(image.scene, draft.rng.choice(LANGUAGES[1:]))
    draft.pair(page, image, text, "other_language", ("filter", "language"))
    return tag(draft, page, image, text)


def odd_spaces(draft: Draft, page: Page) -> str:
    """Entities, line ends, double and no-break spaces, a zero-width one: the same words."""
    image = draft.picture(draft.usual_picture(), draft.usual_host(page))
    text = f"{draft.caption(image.scene)} & it’s “nice”"
    draft.pair(page, image, text, "odd_spaces")
    written = attribute(text).replace(" ", "  ", 2).replace(" of ", "&nbsp;of\n ")
    written = written.replace("’", "&rsquo;").replace("“", "&#8220;").replace("nice", "ni&#8203;ce")
    return f"<IMG SRC='{draft.reference(page, image.url)}' ALT=\"\n{written} \">"


def no_src(draft: Draft, _page: Page) -> str:
    """A text, and no address."""
    draft.unpaired["no_url"] += 1
    return f'<img alt="{attribute(draft.caption(random_scene(draft.rng)))}">'


def data_url(draft: Draft, _page: Page) -> str:
    """The picture stands in the page itself."""
    draft.unpaired["data_url"] += 1
    return f'<img src="{_GIF}" alt="{attribute(draft.caption(random_scene(draft.rng)))}">'


def bad_url(draft: Draft, _page: Page) -> str:
    """An address that is none."""
    draft.unpaired["bad_url"] += 1
    url = draft.rng.choice(("http://[broken/a.jpg", "http://no host/a.jpg", "http://a:port/b.jpg"))
    return f'<img src="{url}" alt="{attribute(draft.caption(random_scene(draft.rng)))}">'


def lazy(draft: Draft, page: Page) -> str:
    """The true address waits in data-src for a script."""
    image = draft.picture(draft.usual_picture(), draft.usual_host(page))
    text = draft.caption(image.scene)
    draft.pair(page, image, text, "lazy")
    stand_in = draft.rng.choice((_GIF, "/static/blank.gif"))
    url = draft.reference(page, image.url)
    return f'<img class="lazy" src="{stand_in}" data-src="{url}" alt="{attribute(text)}">'


def _sizes(draft: Draft, page: Page) -> tuple[Image, list[str]]:
    """A picture, and two smaller ones of it that nobody should ask for."""
    image = draft.picture(draft.usual_picture(), draft.usual_host(page))
    smaller = [f"{image.url}?w={width}" for width in (48, 96)]
    draft.forbidden += [url.split("//")[1].replace(f":{draft.port}", "") for url in smaller]
    return image, [draft.reference(page, url) for url in smaller]


def srcset(draft: Draft, page: Page) -> str:
    """Several sizes to choose from; the largest counts."""
    image, (small, middle) = _sizes(draft, page)
    text = draft.caption(image.scene)
    draft.pair(page, image, text, "srcset")
    large = draft.reference(page, image.url)
    units = draft.rng.choice((("48w", "320w", "96w"), ("1x", "3x", "1.5x")))
    candidates = ", ".join(f"{u} {d}" for u, d in zip((small, large, middle), units, strict=True))
    return f'<img srcset="{candidates}" src="{small}" alt="{attribute(text)}">'


def picture_element(draft: Draft, page: Page) -> str:
    """A picture element: its source has the large one, the img inside has the alt."""
    image, (small, middle) = _sizes(draft, page)
    text = draft.caption(image.scene)
    draft.pair(page, image, text, "picture_element")
    large = draft.reference(page, image.url)
    return (
        f'<picture><source media="(min-width: 800px)" srcset="{middle} 96w, {large} 320w">'
        f'<img src="{small}" alt="{attribute(text)}"></picture>'
    )


def odd_name(draft: Draft, page: Page) -> str:
    """Spaces and letters beyond ASCII in the name, a query, a fragment."""
    picture = draft.usual_picture()
    name = f"Größe {len(draft.pictures)} é.{picture.format}"
    image = draft.picture(picture, page.host, "фото".encode().hex(), name)
    text = draft.caption(image.scene)
    draft.pair(page, image, text, "odd_name")
    written = attribute(draft.reference(page, image.url).rsplit("/", 1)[0] + f"/{name}#top")
    return f'<img src="{written}" alt="{attribute(text)}">'


def _bad_address(flaw: str, draft: Draft, page: Page, name: str, reason: str) -> str:
    path = f"/static/{number(draft)}/{name}"
    draft.forbidden.append(host_name(page.host) + path)
    image = Image(draft.origin(page.host) + path, random_scene(draft.rng), -1, 0)
    return lost(flaw, draft, page, image, ("filter", reason))


def vector(draft: Draft, page: Page) -> str:
    """A drawing in a format that is not decoded, or an icon."""
    name = draft.rng.choice(("drawing.svg", "drawing.svg?v=3", "favicon.ico"))
    return _bad_address("vector", draft, page, name, "url_extension")


def spacer(draft: Draft, page: Page) -> str:
    """The picture that old layouts are made of."""
    name = draft.rng.choice(("spacer.gif", "blank.png", "pixel-1x1.gif"))
    return _bad_address("spacer", draft, page, name, "url_placeholder")


def tracking_pixel(draft: Draft, page: Page) -> str:
    """One pixel that counts visitors."""
    path = f"/count/{number(draft)}.gif"
    draft.forbidden.append(host_name(page.host) + path)
    image = Image(draft.origin(page.host) + path, random_scene(draft.rng), -1, 0)
    text = draft.caption(image.scene)
    draft.pair(page, image, text, "tracking_pixel", ("filter", "tracking_pixel"))
    return tag(draft, page, image, text, ' width="1" height="1"')
