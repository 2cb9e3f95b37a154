"""A page of a WAT file (Common Crawl's metadata): only what WAT carries, without parsing HTML."""

from webpairs_crawler.archive.columns import Columns
from webpairs_crawler.archive.records import Record
from webpairs_crawler.archive.source import ArchiveSource


def add_metadata(record: Record, source: ArchiveSource, columns: Columns) -> str:
    """Read the page that a WAT record describes; gives its outcome, or "" for no page."""
    del record, source, columns
    return ""
