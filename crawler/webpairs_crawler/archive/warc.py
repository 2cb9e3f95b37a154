"""A captured page of a WARC or ARC file: through the same extraction as a live one."""

from webpairs_crawler.archive.columns import Columns, PageEntry
from webpairs_crawler.archive.http_block import BodyFault, HttpAnswer, decoded, parse_answer
from webpairs_crawler.archive.record import Record
from webpairs_crawler.archive.source import ArchiveOutcome, ArchiveSource, parse_date
from webpairs_crawler.page.extract import PageSource, read_page
from webpairs_crawler.web.http import is_html_type, looks_like_html
from webpairs_crawler.web.urls import canonical


def add_capture(record: Record, source: ArchiveSource, columns: Columns) -> str:
    """Read the page of a response or resource record; gives its outcome, or "" for no page.

    What is not from the web (dns:, ftp:, the crawler's own notes) is none.
    """
    written = record.url.strip().strip("<>")  # wget put the URI in angle brackets
    if written[:4].lower() != "http":
        return record.damage or "" if not written else ""
    url = canonical(written)
    answer, outcome, html = _page_of(record, source.max_page_bytes)
    if url is None:
        outcome = ArchiveOutcome.BAD_URL
    entry = PageEntry(url=url or "", outcome=outcome, http_status=answer.status)
    if outcome != ArchiveOutcome.OK or url is None:
        columns.add(entry)
        return outcome
    page = read_page(
        html,
        PageSource(
            url=url,
            headers=answer.headers,
            texts=source.texts,
            agent=source.agent,
            signals=record.signals,
            fetched_at=parse_date(record.date),
            found_in=f"{source.name}@{record.offset}",
        ),
    )
    columns.add(
        PageEntry(
            url=url,
            outcome=outcome,
            http_status=answer.status,
            n_images=page.n_images,
            unpaired=page.unpaired,
            optout=page.optout,
        ),
        page.pairs,
    )
    return outcome


def _page_of(record: Record, max_bytes: int) -> tuple[HttpAnswer, ArchiveOutcome, bytes]:
    """The HTTP answer of a record, what it is, and the HTML when it is a page."""
    nothing = HttpAnswer(0)
    if record.damage:
        return nothing, record.damage, b""
    if record.kind == "revisit":
        return nothing, ArchiveOutcome.REVISIT, b""
    if record.kind == "resource":
        answer = HttpAnswer(0, (("Content-Type", record.content_type),), record.body)
    else:
        answer = parse_answer(record.body)
        outcome = status_outcome(answer.status)
        if outcome != ArchiveOutcome.OK:
            return answer, outcome, b""
    kind = answer.header("content-type").partition(";")[0].strip()
    if kind and not is_html_type(kind):
        return answer, ArchiveOutcome.NOT_HTML, b""
    if len(record.body) > max_bytes:
        return answer, ArchiveOutcome.TOO_LARGE, b""
    try:
        html = decoded(answer, max_bytes)
    except BodyFault as fault:
        return answer, fault.outcome, b""
    if not kind and not looks_like_html(html):
        return answer, ArchiveOutcome.NOT_HTML, b""
    return answer, ArchiveOutcome.OK, html


def status_outcome(status: int) -> ArchiveOutcome:
    """What an HTTP status makes of a page."""
    if 200 <= status < 300:
        return ArchiveOutcome.OK
    if 300 <= status < 400:
        return ArchiveOutcome.REDIRECT
    if 400 <= status < 500:
        return ArchiveOutcome.HTTP_4XX
    return ArchiveOutcome.HTTP_5XX if 500 <= status < 600 else ArchiveOutcome.PROTOCOL
