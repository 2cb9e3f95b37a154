"""The demo web while it is being made: pictures, answers and truths are added one by one."""

import html
import random
from collections import Counter
from urllib.parse import quote

import msgspec

from webpairs_core.keys import pair_key
from webpairs_crawler.web.urls import canonical
from webpairs_pipeline.demo.captions import caption, n_styles
from webpairs_pipeline.demo.pictures import Picture
from webpairs_pipeline.demo.scenes import Scene, random_scene
from webpairs_pipeline.demo.truth import PageTruth, PairTruth
from webpairs_pipeline.site import Answer, content_type, host_name

CDN = 5
"""The host that has pictures only."""
NO_RULES = 6
"""The host whose robots.txt cannot be had."""
OFF_SITE = 7
"""The host that no crawl may enter."""
N_HOSTS = 8
SLOW = 2
"""The host that takes its time."""
ROBOTS = 4
"""The host with many rules."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page while its images are chosen."""

    host: int
    path: str
    language: str = "en"
    special: str = ""
    """meta_noai, header_noai, latin1, base, nofollow, or nothing."""


class Image(msgspec.Struct, frozen=True):
    """A picture at its address, and the scene that its captions speak of."""

    url: str
    scene: Scene
    index: int
    """Of the picture; its group, should there be copies."""
    n_pixels: int


class Draft:
    """Collects what `flaws` and `pages` make; all choices come from one seeded generator."""

    def __init__(self, seed: int, port: int) -> None:
        self.rng = random.Random(seed)
        self.port = port
        self.pictures: list[Picture] = []
        self.places: dict[str, tuple[int, Answer]] = {}
        """Addresses of pictures: the picture's index, and the answer but for its body."""
        self.answers: dict[str, Answer] = {}
        self.pages: list[PageTruth] = []
        self.pairs: list[PairTruth] = []
        self.forbidden: list[str] = []
        self.plain: list[tuple[Image, str]] = []
        """Images on English pages that survive, with their texts: what copies are made of."""
        self.unpaired: Counter[str] = Counter()
        """Of the page in hand."""
        self.flaws: Counter[str] = Counter()

    def origin(self, host: int) -> str:
        """`http://127.0.0.2:8471`."""
        return f"http://{host_name(host)}:{self.port}"

    def picture(self, picture: Picture, host: int, folder: str = "media", name: str = "") -> Image:
        """Add a picture and give it an address."""
        index = len(self.pictures)
        self.pictures.append(picture)
        scene = picture.scene
        stem = name or f"{scene.colour}-{scene.shape}-{index}.{picture.format}"
        return self.serve(index, host, f"/{folder}/{quote(stem)}", Answer())

    def serve(self, index: int, host: int, path: str, answer: Answer) -> Image:
        """Give a picture an address, with whatever else the answer does."""
        picture = self.pictures[index]
        headers = answer.headers or (("Content-Type", content_type(path.partition("?")[0])),)
        delay_s = self.rng.uniform(0.05, 0.15) if host == SLOW else 0.0
        answer = msgspec.structs.replace(answer, headers=headers, delay_s=answer.delay_s or delay_s)
        self.places[host_name(host) + path] = (index, answer)
        width, height = picture.size
        group = picture.copy_of if picture.copy_of >= 0 else index
        return Image(self.origin(host) + path, picture.scene, group, width * height)

    def usual_host(self, page: Page) -> int:
        """Where a page's picture lies: beside it, or with the host that has pictures only."""
        return CDN if page.host != SLOW and self.rng.random() < 0.4 else page.host

    def usual_picture(self) -> Picture:
        """A picture with nothing wrong."""
        kind = self.rng.choices(("jpg", "png", "webp"), (17, 2, 1))[0]
        return Picture(scene=random_scene(self.rng), format=kind, quality=self.rng.randint(78, 93))

    def caption(self, scene: Scene, language: str = "en") -> str:
        """One of the ways to say what is in a scene."""
        return caption(scene, language, self.rng.randrange(n_styles(language)))

    def pair(
        self, page: Page, image: Image, text: str, flaw: str, fate: tuple[str, str] = ("", "")
    ) -> None:
        """Note what must become of a pair: fate is (stage, reason), empty for a sample."""
        if page.special in ("meta_noai", "header_noai"):
            fate = ("filter", "opted_out")
        url = canonical(image.url)
        assert url is not None
        self.pairs.append(
            PairTruth(
                page_url=self.origin(page.host) + page.path,
                flaw=flaw,
                url=url,
                text=text,
                key=pair_key(url, text),
                stage=fate[0],
                reason=fate[1],
                group=image.index,
                n_pixels=image.n_pixels,
            )
        )

    def reference(self, page: Page, url: str) -> str:
        """One of the ways to write a URL on this page, as an attribute's value."""
        origin = self.origin(page.host)
        forms = [url, url.removeprefix("http:")]
        if url.startswith(f"{origin}/"):
            forms += [url.removeprefix(origin)] * 3
            if page.special == "base":
                # <base href="/media/">
                forms = [f"../{url.removeprefix(origin)[1:]}"]
            elif page.path.count("/") == 2:
                forms.append(f"../{url.removeprefix(origin)[1:]}")
        return attribute(self.rng.choice(forms))


def attribute(text: str) -> str:
    """A text as the value of a double-quoted attribute."""
    return html.escape(text, quote=True)
