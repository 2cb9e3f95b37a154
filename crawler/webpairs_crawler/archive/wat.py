"""A page of a WAT file (Common Crawl's metadata): only what WAT carries, without its HTML.

A record describes a request, a response or a metadata record of the WARC; only one that describes
a response is parsed. WAT has no srcset, no lazy-loading attributes, no captions and no JSON-LD:
reading the WARC instead finds about a third more pairs (research of this project).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from webpairs_core.records import TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.archive.columns import Columns, PageEntry, PairRows
from webpairs_crawler.archive.records import Record
from webpairs_crawler.archive.source import ArchiveOutcome, ArchiveSource, parse_date
from webpairs_crawler.archive.warc import status_outcome
from webpairs_crawler.archive.wat_links import CUT_SOURCES, cut_images
from webpairs_crawler.archive.wat_record import (
    Html,
    Http,
    Link,
    Wat,
    links_in,
    parse,
    parse_without_links,
)
from webpairs_crawler.optout.signals import (
    signals_from_headers,
    signals_from_links,
    signals_from_meta,
)
from webpairs_crawler.page.candidates import is_image_file, reference_urls
from webpairs_crawler.page.extract import CONTEXT_CHARS
from webpairs_crawler.page.social import card_of
from webpairs_crawler.page.texts import TEXT_CHARS
from webpairs_crawler.web.urls import canonical, join

_LANG = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*\Z")


def add_metadata(record: Record, source: ArchiveSource, columns: Columns) -> str:
    """Read the page that a WAT record describes; gives its outcome, or "" for no page."""
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
    links = links_in(body) if CUT_SOURCES.issuperset(source.texts) else None
    wat = parse_without_links(body, links) if links else None
    if wat is None:
        wat, links = parse(body), None
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
    rows = cut_images(body, links, base, source.texts) if links else None
    if rows is None:
        whole = parse(body) if links else wat
        if whole is None or whole.envelope.payload.http is None:
            return _refused(written, ArchiveOutcome.BAD_JSON, http.status)
        rows = listed_images(whole.envelope.payload.http.html or Html(), base, source.texts)
    found_in = f"{source.name}@{record.offset}"
    return _entry(wat, url, base, source.agent, (found_in, rows)), rows


def _refused(written: str, outcome: ArchiveOutcome, status: int = 0) -> tuple[PageEntry, PairRows]:
    url = canonical(written)
    outcome = outcome if url or outcome != ArchiveOutcome.OK else ArchiveOutcome.BAD_URL
    return PageEntry(url=url or "", outcome=outcome, http_status=status), PairRows()


def _outcome(http: Http) -> ArchiveOutcome:
    outcome = status_outcome(http.status)
    if outcome == ArchiveOutcome.OK and http.html is None:
        return ArchiveOutcome.NOT_HTML
    return outcome


def listed_images(html: Html, base: str, sources: Sequence[TextSource]) -> PairRows:
    """The pairs of a parsed record: image links, then those to image files, then cards.

    As `cut_images` where that can be used; and as `read_page`, a pair found before is `repeated`
    when a link or a card says it again.
    """
    rows = PairRows()
    unpaired: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for written, texts, is_copy in _images(html, sources):
        rows.n_images += 1
        given: dict[str, str] = {}
        for source, raw in texts:
            text = normalise_text(raw[:TEXT_CHARS])
            if text:
                given.setdefault(text, source)
        if not given:
            unpaired["no_text"] += 1
            continue
        found = reference_urls(base, written)
        if not found.url:
            unpaired[found.reason] += 1
            continue
        new = [text for text in given if not (is_copy and (found.url, text) in seen)]
        unpaired["repeated"] += not new
        for text in new:
            seen.add((found.url, text))
            rows.add(found.url.encode(), text.encode(), given[text])
    rows.unpaired = {reason: n for reason, n in sorted(unpaired.items()) if n}
    return rows


Texts = Sequence[tuple[TextSource, str]]


def _images(html: Html, sources: Sequence[TextSource]) -> Iterator[tuple[str, Texts, bool]]:
    """Each image: its URL as written, its texts, and whether it is likely there twice."""
    for link in html.links:
        if link.path == "IMG@/src":
            yield link.url, _texts(link, sources), False
    if TextSource.ANCHOR in sources:
        for link in html.links:
            if link.path == "A@/href" and (link.text or link.title) and is_image_file(link.url):
                texts = [(TextSource.ANCHOR, link.text), (TextSource.ANCHOR, link.title)]
                yield link.url, texts, True
    if TextSource.OG in sources:
        for shared in card_of(_attributes(html)).images:
            yield shared.url, [(TextSource.OG, shared.alt)], True


def _texts(link: Link, sources: Sequence[TextSource]) -> Texts:
    given = {TextSource.ALT: link.alt, TextSource.TITLE: link.title}
    return [(source, given[source]) for source in sources if source in given]


def _attributes(html: Html) -> Iterator[dict[str, str | None]]:
    for meta in html.head.metas:
        yield {"name": meta.name, "property": meta.property, "content": meta.content}


def _entry(wat: Wat, url: str, base: str, agent: str, found: tuple[str, PairRows]) -> PageEntry:
    """The row of a page, from the record parsed with or without its links."""
    http = wat.envelope.payload.http
    assert http is not None
    assert http.html is not None
    head = http.html.head
    found_in, rows = found
    named = [(meta.name, meta.content) for meta in head.metas if meta.name]
    lang = next((text for name, text in named if name == "HTML@/lang"), "").strip().lower()
    optout = {
        *signals_from_headers(http.headers, "page", agent),
        *signals_from_meta(named, agent),
        *signals_from_links((link.rel, link.type, link.url) for link in head.links),
    }
    licenses = (link.url for link in head.links if "license" in link.rel.lower().split())
    return PageEntry(
        url=url,
        outcome=ArchiveOutcome.OK,
        http_status=http.status,
        n_images=rows.n_images,
        unpaired=rows.unpaired,
        optout=tuple(sorted(optout)),
        found_in=found_in,
        fetched_at=parse_date(wat.envelope.header.date),
        lang=lang if _LANG.match(lang) else "",
        license_url=_first_url(base, licenses),
        title=normalise_text(head.title[: 10 * CONTEXT_CHARS])[:CONTEXT_CHARS],
    )


def _first_url(base: str, references: Iterable[str]) -> str:
    return next((url for href in references if (url := join(base, href))), "")
