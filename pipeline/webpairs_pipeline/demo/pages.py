"""The pages of the demo web: homes, sections, articles, and the odd ones out.

A home (depth 0) links to sections, a section to its articles, an article to its neighbours: so
every page has one smallest depth, whatever the order in which a crawler comes by.
"""

from collections.abc import Iterable
from typing import Final

from webpairs_pipeline.demo.captions import LANGUAGES
from webpairs_pipeline.demo.draft import (
    NO_RULES,
    OFF_SITE,
    ROBOTS,
    SLOW,
    Draft,
    Page,
    attribute,
)
from webpairs_pipeline.demo.flaw_servers import PRIVATE
from webpairs_pipeline.demo.flaw_words import empty_alt, no_alt
from webpairs_pipeline.demo.flaws import Flaw, deck
from webpairs_pipeline.demo.markup import plain
from webpairs_pipeline.demo.truth import PageTruth
from webpairs_pipeline.site import Answer, host_name

MAX_DEPTH: Final = 5
"""Of the demo recipe; one page lies deeper."""
_FOREIGN = 3
"""The host whose pages are not in English."""
HOST_SHARES: Final = {0: 0.30, 1: 0.27, SLOW: 0.05, _FOREIGN: 0.18, ROBOTS: 0.20}
"""Of the pages, for each host that has some."""
_SECTION = 14
"""Articles in a section, about."""
_SPECIAL_SHARES: Final = {
    "meta_noai": 0.008,
    "header_noai": 0.008,
    "latin1": 0.02,
    "base": 0.02,
    "nofollow": 0.003,
}
_ROBOTS_TXT: Final = {
    0: "User-agent: *\nDisallow: /private/\n\nUser-agent: badbot\nDisallow: /\n",
    _FOREIGN: "# All are welcome.\nUser-agent: *\nDisallow:\n",
    ROBOTS: "User-agent: *\nDisallow: /\n\nUser-agent: WebPairs\nDisallow: /no-bots/\n"
    "Allow: /no-bots/open\nDisallow: /*?print=\n",
}
_WORDS: Final = ("toys", "paint", "paper", "school", "garden", "winter", "letters", "games")


def write_pages(draft: Draft, n_pages: int) -> None:
    """Add about `n_pages` pages that can be read, and some that cannot."""
    for host, rules in _ROBOTS_TXT.items():
        headers = (("Content-Type", "text/plain; charset=utf-8"),)
        draft.answers[f"{host_name(host)}/robots.txt"] = Answer(
            headers=headers, body=rules.encode()
        )
    draft.answers[f"{host_name(NO_RULES)}/robots.txt"] = Answer(status=500)
    draft.forbidden.append(f"{host_name(OFF_SITE)}/")
    sections = {host: _sections(host, round(n_pages * s)) for host, s in HOST_SHARES.items()}
    articles = [page for own in sections.values() for section in own for page in section]
    articles = _with_specials(draft, articles)
    counts = {page.path: draft.rng.randint(6, 11) for page in articles}
    english = [p for p in articles if p.language == "en" and not p.special.endswith("noai")]
    cards = deck(draft, sum(counts[page.path] for page in english))
    by_path = {page.path: page for page in articles}
    for host, own in sections.items():
        for number, section in enumerate(own):
            _write_section(draft, host, number, [by_path[page.path] for page in section])
        _write_home(draft, host, len(own))
    for index, page in enumerate(articles):
        dealt: list[Flaw] = [plain] * counts[page.path]
        if page in english:
            dealt = [cards.pop() for _ in dealt]
        elif page.language != "en":
            dealt = [plain if draft.rng.random() < 0.95 else no_alt for _ in dealt]
        around = [p for p in articles[max(0, index - 1) : index + 2] if p.host == page.host]
        _write_article(draft, page, dealt, [p.path for p in around if p != page])


def _sections(host: int, n_pages: int) -> list[list[Page]]:
    """The articles of a host by section; with the home and the sections' own pages, n_pages."""
    n_sections = max(1, round((n_pages - 1) / (_SECTION + 1)))
    n_articles = max(n_sections, n_pages - 1 - n_sections)
    sections: list[list[Page]] = [[] for _ in range(n_sections)]
    for i in range(n_articles):
        number = i % n_sections
        path = f"/{host}{_WORDS[number % len(_WORDS)]}{number}/article-{i}.html"
        language = LANGUAGES[1 + i % (len(LANGUAGES) - 1)] if host == _FOREIGN else "en"
        sections[number].append(Page(host=host, path=path, language=language))
    return sections


def _with_specials(draft: Draft, articles: list[Page]) -> list[Page]:
    """The same articles, some of them special."""
    able = [i for i, page in enumerate(articles) if page.language == "en" and page.host != SLOW]
    draft.rng.shuffle(able)
    made = list(articles)
    for special, share in _SPECIAL_SHARES.items():
        for _ in range(max(1, round(share * len(articles)))):
            page = made[able.pop()]
            made[made.index(page)] = Page(
                host=page.host, path=page.path, language=page.language, special=special
            )
    return made


def _write_home(draft: Draft, host: int, n_sections: int) -> None:
    links = [f"/section-{number}.html" for number in range(n_sections)]
    links += [f"{draft.origin(other)}/" for other in HOST_SHARES if other != host]
    links += [
        f"{draft.origin(OFF_SITE)}/shop.html",
        "mailto:owner@example.org",
        "javascript:void(0)",
    ]
    links += ["tel:+49123", "#top", "http://[broken/"]
    if host == 0:
        links += _odd_addresses(draft)
    if host == 1:
        links += _slow_addresses(draft)
        _write_deep_pages(draft, host)
        links.append("/deep/1.html")
    if host == ROBOTS:
        links += ["/no-bots/list.html", f"/section-0.html?print={draft.rng.randint(1, 9)}"]
        _lose(draft, host, "/no-bots/list.html", "robots", None)
        _lose(draft, host, links[-1], "robots", None)
    page = Page(host=host, path="/", language=LANGUAGES[1] if host == _FOREIGN else "en")
    _finish(draft, page, "Welcome", links, [empty_alt(draft, page)])


def _write_section(draft: Draft, host: int, number: int, articles: list[Page]) -> None:
    page = Page(host=host, path=f"/section-{number}.html", language=articles[0].language)
    _finish(draft, page, f"Section {number}", [a.path for a in articles], [plain(draft, page)])


def _write_article(draft: Draft, page: Page, dealt: list[Flaw], around: list[str]) -> None:
    images = []
    for flaw in dealt:
        images.append(flaw(draft, page))
        draft.flaws[flaw.__name__] += 1
    links = ["/", *around]
    if page.special == "nofollow":
        links = ["/unlisted.html"]
        draft.forbidden.append(f"{host_name(page.host)}/unlisted.html")
    _finish(draft, page, page.path.rsplit("/", 1)[1], links, images)


def _finish(
    draft: Draft, page: Page, title: str, links: Iterable[str], images: Iterable[str]
) -> None:
    """Put the page on the web and note what must be said of it."""
    head = f"<title>{title}</title>"
    headers = [("Content-Type", "text/html; charset=utf-8")]
    encoding = "utf-8"
    if page.special == "latin1":
        headers, encoding = [("Content-Type", "text/html")], "iso-8859-1"
        head = f'<meta charset="iso-8859-1">{head}'
    elif page.special == "meta_noai":
        head += '<meta name="robots" content="index, noai, noimageai">'
    elif page.special == "header_noai":
        headers.append(("X-Robots-Tag", "noimageai"))
    elif page.special == "nofollow":
        head += '<meta name="ROBOTS" content="NoFollow">'
    elif page.special == "base":
        head += '<base href="/media/">'
    nav = "".join(f'<li><a href="{attribute(link)}">{attribute(link)}</a>' for link in links)
    figures = "".join(
        f"<figure>{image}</figure>\n<p>Text between pictures.</p>\n" for image in images
    )
    text = (
        f'<!doctype html>\n<html lang="{page.language}"><head>{head}</head>\n'
        f"<body><h1>{title}</h1>\n{figures}<ul>{nav}</ul></body></html>\n"
    )
    delay_s = draft.rng.uniform(0.05, 0.15) if page.host == SLOW else 0.0
    place = host_name(page.host) + page.path
    body = text.encode(encoding, "xmlcharrefreplace")
    draft.answers[place] = Answer(headers=tuple(headers), body=body, delay_s=delay_s)
    draft.pages.append(PageTruth(draft.origin(page.host) + page.path, "ok", dict(draft.unpaired)))
    draft.unpaired.clear()


def _lose(draft: Draft, host: int, path: str, outcome: str, answer: Answer | None) -> str:
    """Add an address that gives no page, and return it; None for one that must not be asked."""
    place = host_name(host) + path
    if answer is None:
        draft.forbidden.append(place)
    else:
        draft.answers[place] = answer
    draft.pages.append(PageTruth(draft.origin(host) + path, outcome))
    return path


def _odd_addresses(draft: Draft) -> list[str]:
    """Links that lead nowhere, elsewhere or in circles."""

    def to(location: str, status: int = 302) -> Answer:
        return Answer(status=status, headers=(("Location", location),))

    pdf = Answer(headers=(("Content-Type", "application/pdf"),), body=b"%PDF-1.7\n")
    return [
        _lose(draft, 0, "/old.html", "redirect", to("/section-0.html", 301)),
        _lose(draft, 0, "/neighbour", "redirect", to(f"{draft.origin(1)}/", 307)),
        _lose(draft, 0, "/leave", "redirect", to(f"{draft.origin(OFF_SITE)}/shop.html")),
        _lose(draft, 0, "/inside", "redirect", to(f"{PRIVATE}/admin")),
        _lose(draft, 0, "/missing.html", "http_4xx", Answer(status=404)),
        _lose(draft, 0, "/broken.html", "http_5xx", Answer(status=500)),
        _lose(draft, 0, "/catalogue", "not_html", pdf),
        _lose(draft, 0, "/private/list.html", "robots", None),
    ]


def _slow_addresses(draft: Draft) -> list[str]:
    """Links to pages that never answer, or not at once."""
    page = Page(host=1, path="/busy.html")
    _finish(draft, page, "Busy", ["/"], [plain(draft, page)])
    place = host_name(1) + page.path
    answer = draft.answers[place]
    draft.answers[place] = Answer(headers=answer.headers, body=answer.body, heals=True)
    return [page.path, _lose(draft, 1, "/waiting.html", "timeout", Answer(delay_s=3600))]


def _write_deep_pages(draft: Draft, host: int) -> None:
    """A chain of pages, one link each, that ends below the depth of the recipe."""
    for depth in range(1, MAX_DEPTH + 1):
        page = Page(host=host, path=f"/deep/{depth}.html")
        links = [f"/deep/{depth + 1}.html"]
        _finish(draft, page, f"Depth {depth}", links, [plain(draft, page)])
    draft.forbidden.append(f"{host_name(host)}/deep/{MAX_DEPTH + 1}.html")
