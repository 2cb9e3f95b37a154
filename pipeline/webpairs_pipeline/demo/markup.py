"""What flaws are made of: an image as it should be, and the usual element around others."""

from webpairs_pipeline.demo.draft import Draft, Image, Page, attribute
from webpairs_pipeline.demo.pictures import Picture
from webpairs_pipeline.demo.scenes import random_scene
from webpairs_pipeline.site import Answer, host_name


def plain(draft: Draft, page: Page) -> str:
    """An image as it should be."""
    image = draft.picture(draft.usual_picture(), draft.usual_host(page))
    text = draft.caption(image.scene, page.language)
    if page.special == "latin1":
        text = f"{text}, seen at the Café Müller"
    fate = ("filter", "language") if page.language != "en" else ("", "")
    draft.pair(page, image, text, "plain", fate)
    if page.language == "en" and not page.special:
        draft.plain.append((image, text))
    return tag(draft, page, image, text)


def tag(draft: Draft, page: Page, image: Image, text: str, more: str = "") -> str:
    """The usual img element."""
    return f'<img src="{draft.reference(page, image.url)}" alt="{attribute(text)}"{more}>'


def shown(flaw: str, draft: Draft, page: Page, **changes: object) -> str:
    """A picture that differs from the usual one and still makes a sample."""
    picture = Picture(scene=random_scene(draft.rng), **changes)  # type: ignore[arg-type]
    image = draft.picture(picture, draft.usual_host(page))
    text = draft.caption(image.scene)
    draft.pair(page, image, text, flaw)
    return tag(draft, page, image, text)


def lost(flaw: str, draft: Draft, page: Page, image: Image, fate: tuple[str, str]) -> str:
    """A usual img element around an image that does not make it."""
    text = draft.caption(image.scene)
    draft.pair(page, image, text, flaw, fate)
    return tag(draft, page, image, text)


def at(draft: Draft, host: int, path: str, answer: Answer) -> Image:
    """An address that gives no picture, with a scene to write captions about."""
    draft.answers[host_name(host) + path] = answer
    return Image(draft.origin(host) + path, random_scene(draft.rng), -1, 0)


def number(draft: Draft) -> int:
    """A number that no other flaw of this draft uses in an address."""
    return len(draft.pairs)
