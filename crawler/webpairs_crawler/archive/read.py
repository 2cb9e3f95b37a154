"""Read an archive of the web into tables: WARC and ARC (whole pages), WAT (links only).

One pass, streamed: memory does not grow with the file. What kind of archive it is, and how it is
compressed, is seen from its first bytes and from each record, never from the file's name.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec
import pyarrow as pa

from webpairs_crawler.archive.columns import Columns
from webpairs_crawler.archive.record import Record
from webpairs_crawler.archive.records import read_records
from webpairs_crawler.archive.source import ArchiveOutcome, ArchiveSource
from webpairs_crawler.archive.tape import Readable
from webpairs_crawler.archive.warc import add_capture
from webpairs_crawler.archive.wat import add_metadata

__all__ = ["ArchiveBatch", "ArchiveOutcome", "ArchiveSource", "read_archive"]

BATCH_PAGES = 2_000
BATCH_PAIRS = 20_000
"""A batch is handed out when it holds as much of either: some tens of MB."""

_CAPTURES = frozenset(["response", "resource", "revisit"])


class ArchiveBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Some consecutive records of an archive."""

    pages: pa.Table
    """Schema pages/1: a row for each page, in archive order. No links: nobody follows them."""
    pairs: pa.Table
    """Schema pairs/2, in archive order."""
    outcomes: dict[str, int]
    """The funnel: pages by `ArchiveOutcome`; their sum is what came in, `ok` is what was kept.

    A damaged place whose page cannot be named counts here and has no row in `pages`.
    """
    others: dict[str, int]
    """Records that are no pages, by type: request, warcinfo, metadata, conversion ..., and
    `not_web` for captures that are not of http(s)."""


def read_archive(stream: Readable, source: ArchiveSource) -> Iterator[ArchiveBatch]:
    """Read an archive from its start to its end, in batches; the last may be empty.

    `stream` needs `read(n)` only. Damage is counted, never raised. Raises PartCorrupt when the
    stream is no archive at all (or empty), and OSError when reading the stream itself fails.
    """
    columns = Columns()
    outcomes: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for record in read_records(stream, source.name, source.max_page_bytes):
        outcome = _add(record, source, columns)
        if outcome:
            outcomes[str(outcome)] += 1
        else:
            others["not_web" if record.kind in _CAPTURES else record.kind] += 1
        if columns.n_pages >= BATCH_PAGES or columns.n_pairs >= BATCH_PAIRS:
            yield _batch(columns, outcomes, others)
            outcomes, others = Counter(), Counter()
    yield _batch(columns, outcomes, others)


def _add(record: Record, source: ArchiveSource, columns: Columns) -> str:
    """Add what a record holds; gives its outcome, or "" when it is no page."""
    if record.kind in _CAPTURES:
        return add_capture(record, source, columns)
    if record.kind == "metadata":
        return add_metadata(record, source, columns)
    return record.damage or "" if not record.kind else ""


def _batch(columns: Columns, outcomes: Counter[str], others: Counter[str]) -> ArchiveBatch:
    pages, pairs = columns.take()
    return ArchiveBatch(
        pages=pages,
        pairs=pairs,
        outcomes=dict(sorted(outcomes.items())),
        others=dict(sorted(others.items())),
    )
