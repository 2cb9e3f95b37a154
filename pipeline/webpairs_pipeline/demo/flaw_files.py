"""What can be wrong with the file behind an image: repeated, copied, too small, damaged."""

import struct
import zlib

from webpairs_pipeline.demo.draft import Draft, Page
from webpairs_pipeline.demo.markup import at, lost, number, plain, shown, tag
from webpairs_pipeline.demo.pictures import Picture
from webpairs_pipeline.demo.scenes import Scene, random_scene
from webpairs_pipeline.site import Answer


def repeated(draft: Draft, page: Page) -> str:
    """The same picture with the same words as on an earlier page."""
    if not draft.plain:
        return plain(draft, page)
    image, text = draft.rng.choice(draft.plain)
    draft.pair(page, image, text, "repeated")
    return tag(draft, page, image, text)


def other_words(draft: Draft, page: Page) -> str:
    """The same picture as on an earlier page, with words of its own."""
    if not draft.plain:
        return plain(draft, page)
    image, text = draft.rng.choice(draft.plain)
    text = f"{text}, seen again on page {number(draft)}"
    draft.pair(page, image, text, "other_words")
    return tag(draft, page, image, text)


def _copied(flaw: str, draft: Draft, page: Page, *, is_smaller: bool) -> str:
    originals = [i for i, _ in draft.plain if min(i.scene.width, i.scene.height) >= 100]
    if not originals:
        return plain(draft, page)
    original = draft.rng.choice(originals)
    copy = Picture(
        scene=original.scene,
        copy_of=original.index,
        scale=draft.rng.uniform(0.75, 0.95) if is_smaller else 1.0,
        quality=draft.rng.randint(62, 76),
    )
    image = draft.picture(copy, draft.usual_host(page))
    text = draft.caption(image.scene)
    draft.pair(page, image, text, flaw)
    return tag(draft, page, image, text)


def encoded_again(draft: Draft, page: Page) -> str:
    """A copy of an earlier picture: lower quality, an address and words of its own."""
    return _copied("encoded_again", draft, page, is_smaller=False)


def scaled(draft: Draft, page: Page) -> str:
    """A smaller copy of an earlier picture."""
    return _copied("scaled", draft, page, is_smaller=True)


def thumbnail(draft: Draft, page: Page) -> str:
    """Too small to be of use."""
    scene = _resized(random_scene(draft.rng), draft.rng.randint(24, 60), draft.rng.randint(40, 80))
    image = draft.picture(Picture(scene=scene, has_hash=False), page.host, "thumbs")
    return lost("thumbnail", draft, page, image, ("fetch", "side_too_short"))


def banner(draft: Draft, page: Page) -> str:
    """More than three times as long as high, or the other way round."""
    sides = (draft.rng.randint(400, 480), draft.rng.randint(70, 100))
    scene = _resized(random_scene(draft.rng), *draft.rng.sample(sides, 2))
    image = draft.picture(Picture(scene=scene, has_hash=False), page.host, "banners")
    return lost("banner", draft, page, image, ("fetch", "aspect_too_long"))


def truncated(draft: Draft, page: Page) -> str:
    """A file that ends too early, on a server that thinks it whole."""
    picture = Picture(scene=random_scene(draft.rng), state="truncated", has_hash=False)
    image = draft.picture(picture, draft.usual_host(page))
    return lost("truncated", draft, page, image, ("fetch", "corrupt"))


def not_image(draft: Draft, page: Page) -> str:
    """A page under the name and type of a picture."""
    answer = Answer(headers=(("Content-Type", "image/jpeg"),), body=b"<!doctype html><p>Sold out.")
    image = at(draft, page.host, f"/media/sold-{number(draft)}.jpg", answer)
    return lost("not_image", draft, page, image, ("fetch", "not_image"))


def wrong_name(draft: Draft, page: Page) -> str:
    """A PNG that calls itself .jpg; it is a picture all the same."""
    picture = Picture(scene=random_scene(draft.rng), format="png")
    name = f"really-a-png-{len(draft.pictures)}.jpg"
    image = draft.picture(picture, draft.usual_host(page), name=name)
    text = draft.caption(image.scene)
    draft.pair(page, image, text, "wrong_name")
    return tag(draft, page, image, text)


def rotated(draft: Draft, page: Page) -> str:
    """Stored on its side, with an EXIF note that says so."""
    return shown("rotated", draft, page, state="rotated")


def transparent(draft: Draft, page: Page) -> str:
    """A PNG that lets the page shine through."""
    return shown("transparent", draft, page, state="transparent", format="png")


def palette(draft: Draft, page: Page) -> str:
    """A GIF."""
    return shown("palette", draft, page, format="gif")


def too_large(draft: Draft, page: Page) -> str:
    """Megabytes."""
    picture = Picture(scene=random_scene(draft.rng), state="padded", has_hash=False)
    image = draft.picture(picture, page.host)
    return lost("too_large", draft, page, image, ("fetch", "too_large"))


def bomb(draft: Draft, page: Page) -> str:
    """A hundred bytes that unpack to 400 million pixels."""
    answer = Answer(headers=(("Content-Type", "image/png"),), body=_png_header(20_000, 20_000))
    image = at(draft, page.host, f"/media/poster-{number(draft)}.png", answer)
    return lost("bomb", draft, page, image, ("fetch", "too_many_pixels"))


def _png_header(width: int, height: int) -> bytes:
    """The start of a PNG (ISO 15948): enough to learn its size from."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 + 3 * width))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


def _resized(scene: Scene, width: int, height: int) -> Scene:
    return Scene(
        colour=scene.colour,
        shape=scene.shape,
        size=scene.size,
        background=scene.background,
        width=width,
        height=height,
        seed=scene.seed,
    )
