"""What can be wrong with the server of an image, and what its owner may wish."""

from typing import Final

from webpairs_pipeline.demo.draft import NO_RULES, ROBOTS, Draft, Image, Page
from webpairs_pipeline.demo.markup import at, lost, number, tag
from webpairs_pipeline.demo.pictures import Picture
from webpairs_pipeline.demo.scenes import random_scene
from webpairs_pipeline.site import Answer, host_name

PRIVATE: Final = "http://10.0.0.1"
"""An address that must never be asked for anything."""


def gone(draft: Draft, page: Page) -> str:
    """404, or 410 where somebody was tidy."""
    status = draft.rng.choice((404, 404, 410))
    image = at(draft, page.host, f"/media/old-{number(draft)}.jpg", Answer(status=status))
    return lost("gone", draft, page, image, ("fetch", "http_4xx"))


def broken_server(draft: Draft, page: Page) -> str:
    """500, every time."""
    image = at(draft, page.host, f"/media/error-{number(draft)}.jpg", Answer(status=500))
    return lost("broken_server", draft, page, image, ("fetch", "http_5xx"))


def _served(flaw: str, draft: Draft, page: Page, path: str, answer: Answer) -> str:
    """A sample whose server does something special."""
    picture = draft.usual_picture()
    draft.pictures.append(picture)
    image = draft.serve(len(draft.pictures) - 1, page.host, f"{path}.{picture.format}", answer)
    text = draft.caption(image.scene)
    draft.pair(page, image, text, flaw)
    return tag(draft, page, image, text)


def heals(draft: Draft, page: Page) -> str:
    """503 at first; a second try gets it."""
    return _served("heals", draft, page, f"/media/busy-{number(draft)}", Answer(heals=True))


def hangs(draft: Draft, page: Page) -> str:
    """A server that never answers."""
    image = at(draft, page.host, f"/media/wait-{number(draft)}.jpg", Answer(delay_s=3600))
    return lost("hangs", draft, page, image, ("fetch", "timeout"))


def cut(draft: Draft, page: Page) -> str:
    """The connection ends in the middle of the body."""
    draft.pictures.append(Picture(scene=random_scene(draft.rng), has_hash=False))
    path = f"/media/cut-{number(draft)}.jpg"
    image = draft.serve(len(draft.pictures) - 1, page.host, path, Answer(is_cut=True))
    return lost("cut", draft, page, image, ("fetch", "protocol"))


def nobody(draft: Draft, page: Page) -> str:
    """A port where nobody listens."""
    url = f"http://{host_name(page.host)}:1/a-{number(draft)}.jpg"
    image = Image(url, random_scene(draft.rng), -1, 0)
    return lost("nobody", draft, page, image, ("fetch", "connect"))


def moved(draft: Draft, page: Page) -> str:
    """A redirect to the picture; the pair keeps the address that the page gave."""
    target = draft.picture(draft.usual_picture(), draft.usual_host(page))
    path = f"/moved/{number(draft)}.jpg"
    answer = _redirect(target.url, draft.rng.choice((301, 302, 307, 308)))
    draft.answers[host_name(page.host) + path] = answer
    image = Image(draft.origin(page.host) + path, target.scene, target.index, target.n_pixels)
    text = draft.caption(image.scene)
    draft.pair(page, image, text, "moved")
    return tag(draft, page, image, text)


def loop(draft: Draft, page: Page) -> str:
    """Redirects in a circle."""
    one, two = (f"/moved/round-{number(draft)}{side}.jpg" for side in "ab")
    draft.answers[host_name(page.host) + two] = _redirect(one, 302)
    image = at(draft, page.host, one, _redirect(two, 302))
    return lost("loop", draft, page, image, ("fetch", "too_many_redirects"))


def to_private(draft: Draft, page: Page) -> str:
    """A redirect to an address inside somebody's network."""
    answer = _redirect(f"{PRIVATE}/admin.jpg", 302)
    image = at(draft, page.host, f"/moved/in-{number(draft)}.jpg", answer)
    return lost("to_private", draft, page, image, ("fetch", "refused_private"))


def private(draft: Draft, page: Page) -> str:
    """An address inside somebody's network, written in decimal or as it is."""
    host = draft.rng.choice((PRIVATE, "http://0xa000001", "http://169.254.169.254"))
    image = Image(f"{host}/camera-{number(draft)}.jpg", random_scene(draft.rng), -1, 0)
    return lost("private", draft, page, image, ("fetch", "refused_private"))


def _redirect(location: str, status: int) -> Answer:
    return Answer(status=status, headers=(("Location", location),))


def disallowed(draft: Draft, page: Page) -> str:
    """In a folder that robots.txt closes."""
    path = f"/no-bots/{number(draft)}.jpg"
    draft.forbidden.append(host_name(ROBOTS) + path)
    image = Image(draft.origin(ROBOTS) + path, random_scene(draft.rng), -1, 0)
    return lost("disallowed", draft, page, image, ("fetch", "robots"))


def rules_unknown(draft: Draft, page: Page) -> str:
    """On a host whose robots.txt is broken: nothing is allowed (RFC 9309, section 2.3.1.4)."""
    path = f"/media/{number(draft)}.jpg"
    draft.forbidden.append(host_name(NO_RULES) + path)
    image = Image(draft.origin(NO_RULES) + path, random_scene(draft.rng), -1, 0)
    return lost("rules_unknown", draft, page, image, ("fetch", "robots"))


def opted_out(draft: Draft, page: Page) -> str:
    """A picture whose headers say: not for AI."""
    header = draft.rng.choice(
        (
            ("X-Robots-Tag", "noai, noimageai"),
            ("X-Robots-Tag", "webpairs: noimageai"),
            ("TDM-Reservation", "1"),
        )
    )
    answer = Answer(headers=(("Content-Type", "image/jpeg"), header))
    draft.pictures.append(Picture(scene=random_scene(draft.rng), has_hash=False))
    path = f"/reserved/{number(draft)}.jpg"
    image = draft.serve(len(draft.pictures) - 1, page.host, path, answer)
    return lost("opted_out", draft, page, image, ("fetch", "opted_out"))


def opted_out_of_others(draft: Draft, page: Page) -> str:
    """Headers that forbid somebody else, or something else."""
    header = draft.rng.choice(
        (
            ("X-Robots-Tag", "otherbot: noai, noimageai"),
            ("X-Robots-Tag", "noarchive"),
            ("TDM-Reservation", "0"),
        )
    )
    path = f"/media/open-{number(draft)}"
    kinds = ("Content-Type", "application/octet-stream")
    return _served("opted_out_of_others", draft, page, path, Answer(headers=(kinds, header)))
