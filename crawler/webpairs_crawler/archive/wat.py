"""A page of a WAT file (Common Crawl's metadata): only what WAT carries, without its HTML.

A record describes a request, a response or a metadata record of the WARC; only one that describes
a response is parsed. WAT has no srcset, no lazy-loading attributes, no captions and no JSON-LD:
reading the WARC instead finds about a third more pairs (research of this project).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from webpairs_core.records import TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.archive.columns import Columns, PageEntry, PairRows
from webpairs_crawler.archive.record import Record
from webpairs_crawler.archive.source import ArchiveOutcome, ArchiveSource, parse_date
from webpairs_crawler.archive.warc import status_outcome
from webpairs_crawler.archive.wat_links import (
    CUT_SOURCES,
    Groups,
    cut_links,
    json_string,
    pairs_of_one_source,
    written_url,
)
from webpairs_crawler.archive.wat_record import (
    Head,
    Html,
    Http,
    links_in,
    parse,
    parse_leniently,
    without_links,
)
from webpairs_crawler.optout.signals import (
    signals_from_headers,
    signals_from_links,
    signals_from_meta,
)
from webpairs_crawler.page.candidates import is_image_file, reference_urls
from webpairs_crawler.page.extract import context_of, language_of
from webpairs_crawler.page.image import FoundImage, first_sources, new_rows
from webpairs_crawler.page.social import card_of
from webpairs_crawler.page.texts import TEXT_CHARS
from webpairs_crawler.web.urls import canonical, join

_RSL = b"rsl+xml"


def add_metadata(record: Record, source: ArchiveSource, columns: Columns) -> str:
    """Read the page that a WAT record describes; gives its outcome, or "" for no page."""
    if record.damage:
        return record.damage if "json" in record.content_type.lower() else ""
    if b'"HTTP-Response-Metadata"' not in record.body:
        return ""
    found = _page(record, source)
    if found is None:
        return ""
    columns.add_rows(*found)
    return found[0].outcome


def _page(record: Record, source: ArchiveSource) -> tuple[PageEntry, PairRows] | None:
    body = record.body
    if len(body) > source.max_page_bytes:
        return _refused(record.url, ArchiveOutcome.TOO_LARGE)
    wat, found = None, None
    links = links_in(body) if CUT_SOURCES.keys() >= set(source.texts) else None
    if links:
        found = cut_links(body, links)
        wat = parse(without_links(body, links)) if found is not None else None
    if wat is None:
        wat, found = parse(body) or parse_leniently(body), None
    if wat is None:
        return _refused(record.url, ArchiveOutcome.BAD_JSON)
    http, written = wat.envelope.payload.http, wat.envelope.header.url
    if http is None:
        return None
    outcome = _outcome(http)
    url = canonical(written)
    if outcome != ArchiveOutcome.OK or url is None or http.html is None:
        return _refused(written, outcome, http.status)
    base = (join(url, http.html.head.base) if http.html.head.base else None) or url
    rows = _rows(http.html, found, base, source.texts)
    entry = PageEntry(
        url=url,
        outcome=outcome,
        http_status=http.status,
        n_images=rows.n_images,
        unpaired=rows.unpaired,
        optout=_signals(http, http.html.head, source.agent),
        found_in=f"{source.name}@{record.offset}",
        fetched_at=parse_date(wat.envelope.header.date),
        lang=_lang(http.html.head),
        license_url=_license(http.html.head, base),
        title=context_of(http.html.head.title),
    )
    return entry, rows


def _rows(
    html: Html, found: list[Groups] | None, base: str, sources: Sequence[TextSource]
) -> PairRows:
    if found is not None and len(sources) == 1:
        return pairs_of_one_source(found, base, sources[0])
    images = listed_images(html, sources) if found is None else _cut(found, sources)
    return pairs_of_images(images, base, sources)


def _refused(written: str, outcome: ArchiveOutcome, status: int = 0) -> tuple[PageEntry, PairRows]:
    url = canonical(written)
    outcome = outcome if url or outcome != ArchiveOutcome.OK else ArchiveOutcome.BAD_URL
    return PageEntry(url=url or "", outcome=outcome, http_status=status), PairRows()


def _outcome(http: Http) -> ArchiveOutcome:
    outcome = status_outcome(http.status)
    if outcome == ArchiveOutcome.OK and http.html is None:
        return ArchiveOutcome.NOT_HTML
    return outcome


class WatImage(msgspec.Struct, frozen=True):
    """An image that a WAT record names."""

    url: str
    """As written."""
    texts: tuple[tuple[TextSource, str], ...]
    """As written, by the sources asked for."""
    is_copy: bool = False
    """Found where pages repeat what they show elsewhere: links, cards."""


def pairs_of_images(
    images: Iterable[WatImage], base: str, sources: Sequence[TextSource]
) -> PairRows:
    """The pairs of images, by the rules of `page.extract`: a text that several sources give one
    image is tagged with the first of them, and a copy of a pair found before is `repeated`."""
    rows = PairRows()
    unpaired: Counter[str] = Counter()
    found = [
        FoundImage(
            urls=reference_urls(base, image.url), texts=_normal(image), is_copy=image.is_copy
        )
        for image in images
    ]
    first = first_sources(found, sources)
    given: set[tuple[str, str]] = set()
    for one in found:
        new = new_rows(one, first, given)
        if not new:
            reason = "repeated" if one.urls.url and one.texts else one.urls.reason
            unpaired[reason if one.texts else "no_text"] += 1
        for source, text in new:
            given.add((one.urls.url, text))
            rows.add(one.urls.url.encode(), text.encode(), str(source))
    rows.n_images, rows.unpaired = len(found), dict(sorted(unpaired.items()))
    return rows


def _normal(image: WatImage) -> tuple[tuple[TextSource, str], ...]:
    texts: dict[str, TextSource] = {}
    for source, raw in image.texts:
        text = normalise_text(raw[:TEXT_CHARS])
        if text:
            texts.setdefault(text, source)
    return tuple((source, text) for text, source in texts.items())


def _cut(found: list[Groups], sources: Sequence[TextSource]) -> Iterator[WatImage]:
    """The image links that were cut out of a record."""
    for groups in found:
        places = ((source, CUT_SOURCES[source]) for source in sources)
        raw = ((source, json_string(groups[at] or groups[at + 1])) for source, at in places)
        yield WatImage(written_url(groups), tuple(raw))


def listed_images(html: Html, sources: Sequence[TextSource]) -> Iterator[WatImage]:
    """The images of a parsed record: image links, then links to image files, then cards."""
    for link in html.links:
        if link.path == "IMG@/src":
            given = {TextSource.ALT: link.alt, TextSource.TITLE: link.title}
            yield WatImage(link.url, tuple((s, given[s]) for s in sources if s in given))
    if TextSource.ANCHOR in sources:
        for link in html.links:
            if link.path == "A@/href" and (link.text or link.title) and is_image_file(link.url):
                raw = ((TextSource.ANCHOR, link.text), (TextSource.ANCHOR, link.title))
                yield WatImage(link.url, raw, is_copy=True)
    if TextSource.OG in sources or TextSource.OG_TITLE in sources:
        card = card_of(_attributes(html))
        for shared in card.images:
            given = {TextSource.OG: shared.alt, TextSource.OG_TITLE: card.title}
            texts = tuple((s, given[s]) for s in sources if s in given)
            yield WatImage(shared.url, texts, is_copy=True)


def _attributes(html: Html) -> Iterator[dict[str, str | None]]:
    for meta in html.head.metas:
        yield {"name": meta.name, "property": meta.property, "content": meta.content}


def _lang(head: Head) -> str:
    claims = {meta.name or meta.property: meta.content for meta in reversed(head.metas)}
    for claim in (claims.get("HTML@/lang", ""), claims.get("og:locale", "").replace("_", "-")):
        if lang := language_of(claim):
            return lang
    return ""


def _license(head: Head, base: str) -> str:
    if b"license" not in bytes(head.link_elements).lower():
        return ""
    licenses = (link.url for link in head.links if "license" in link.rel.lower().split())
    return next((url for href in licenses if (url := join(base, href))), "")


def _signals(http: Http, head: Head, agent: str) -> tuple[str, ...]:
    """The opt-out signals of a page. Headers and links are parsed when they can hold one only."""
    found: tuple[str, ...] = ()
    headers = bytes(http.fields).lower()
    if b"x-robots" in headers or b"tdm-" in headers or b"content-u" in headers or _RSL in headers:
        found += signals_from_headers(http.headers, "page", agent)
    named = [
        (meta.name, meta.content)
        for meta in head.metas
        # Every restriction has a "no", and nearly no other content of a robots meta.
        if "tdm" in (name := meta.name.lower()) or (name and "no" in meta.content.lower())
    ]
    if named:
        found += signals_from_meta(named, agent)
    if _RSL in bytes(head.link_elements).lower():
        found += signals_from_links((link.rel, link.type, link.url) for link in head.links)
    return tuple(sorted(set(found))) if found else ()
