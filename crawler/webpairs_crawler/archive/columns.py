"""Rows of the crawl as columns: the tables that an archive is read into.

Column by column and not row by row: a row object of 16 fields for each pair costs more than all
that is read from a WAT file. What all pairs of a page share is kept once and repeated by Arrow.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import pyarrow as pa

from webpairs_core.keys import KEY_BYTES
from webpairs_core.records import Pair
from webpairs_core.schema import PAGES, PAIRS, pairs_table

_EPOCH = datetime.fromtimestamp(0, UTC)


class PageEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A page as the archive has it: a row of schema pages/1, and what its pairs share."""

    url: str
    outcome: str
    """A value of `ArchiveOutcome`."""
    http_status: int = 0
    n_images: int = 0
    unpaired: dict[str, int] = {}
    optout: tuple[str, ...] = ()
    found_in: str = ""
    fetched_at: datetime = _EPOCH
    lang: str = ""
    license_url: str = ""
    title: str = ""


class PairRows(msgspec.Struct, gc=False):
    """The pairs of one page that differ in URL, text and source only, in document order.

    URLs and texts are UTF-8: so they are hashed and handed to Arrow without another copy.
    """

    keys: list[bytes] = []
    urls: list[bytes] = []
    texts: list[bytes] = []
    sources: list[str] = []
    n_images: int = 0
    unpaired: dict[str, int] = {}
    """Images that make no pair, by reason."""

    def add(self, url: bytes, text: bytes, source: str) -> None:
        """Add a pair of a canonical URL and a text in its normal form."""
        # As webpairs_core.keys.pair_key, which would normalise once more; a test compares.
        self.keys.append(hashlib.sha256(url + b"\n" + text).digest()[:KEY_BYTES])
        self.urls.append(url)
        self.texts.append(text)
        self.sources.append(source)


class Columns:
    """Gathers pages and their pairs until they are taken as tables."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._pages: list[PageEntry] = []
        self._counts: list[int] = []
        self._pairs: list[Pair] = []
        self._shared: list[PageEntry] = []
        self._shared_counts: list[int] = []
        self._keys: list[bytes] = []
        self._urls: list[bytes] = []
        self._texts: list[bytes] = []
        self._sources: list[str] = []

    @property
    def n_pages(self) -> int:
        """Pages gathered."""
        return len(self._pages)

    @property
    def n_pairs(self) -> int:
        """Pairs gathered."""
        return len(self._pairs) + len(self._keys)

    def add(self, page: PageEntry, pairs: Sequence[Pair] = ()) -> None:
        """Take in a page whose pairs were read as records."""
        self._pages.append(page)
        self._counts.append(len(pairs))
        self._pairs.extend(pairs)

    def add_rows(self, page: PageEntry, rows: PairRows) -> None:
        """Take in a page whose pairs were read as columns."""
        self._pages.append(page)
        self._counts.append(len(rows.keys))
        if rows.keys:
            self._shared.append(page)
            self._shared_counts.append(len(rows.keys))
            self._keys += rows.keys
            self._urls += rows.urls
            self._texts += rows.texts
            self._sources += rows.sources

    def take(self) -> tuple[pa.Table, pa.Table]:
        """The tables of schemas pages/1 and pairs/2, in archive order; nothing is left behind.

        Pairs taken as records come before those taken as columns: a file holds one or the other.
        """
        pages = _pages_table(self._pages, self._counts)
        pairs = pa.concat_tables([pairs_table(self._pairs), self._columns_table()])
        self._clear()
        return pages, pairs

    def _columns_table(self) -> pa.Table:
        n_rows = len(self._keys)
        counts = np.array(self._shared_counts, dtype=np.int64)
        page_of_row = pa.array(np.repeat(np.arange(len(counts)), counts))
        first_row = np.repeat(np.cumsum(counts) - counts, counts)

        def shared(name: str, values: list[object]) -> pa.Array:
            return pa.array(values, PAIRS.field(name).type).take(page_of_row)

        def constant(name: str, value: object) -> pa.Array:
            return pa.repeat(pa.scalar(value, PAIRS.field(name).type), n_rows)

        pages = self._shared
        key_bytes = pa.py_buffer(b"".join(self._keys))
        url_column = pa.array(self._urls, pa.binary()).view(pa.string())
        columns = {
            "key": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), n_rows, [None, key_bytes]),
            "url": url_column,
            "src_url": url_column,
            "text": pa.array(self._texts, pa.binary()).view(pa.string()),
            "text_source": pa.array(self._sources, pa.string()),
            "page_url": shared("page_url", [page.url for page in pages]),
            "position": pa.array((np.arange(n_rows) - first_row).astype(np.int32)),
            "page_lang": shared("page_lang", [page.lang for page in pages]),
            "declared_width": constant("declared_width", 0),
            "declared_height": constant("declared_height", 0),
            "found_in": shared("found_in", [page.found_in for page in pages]),
            "fetched_at": shared("fetched_at", [page.fetched_at for page in pages]),
            "optout": shared("optout", [page.optout for page in pages]),
            "license_url": shared("license_url", [page.license_url for page in pages]),
            "context": shared("context", [page.title for page in pages]),
            "extra": constant("extra", ""),
        }
        return pa.Table.from_arrays([columns[field.name] for field in PAIRS], schema=PAIRS)


def _pages_table(pages: list[PageEntry], counts: list[int]) -> pa.Table:
    columns: dict[str, pa.Array] = {
        "url": pa.array([page.url for page in pages], pa.string()),
        "depth": pa.repeat(pa.scalar(0, pa.int32()), len(pages)),
        "outcome": pa.array([page.outcome for page in pages], pa.string()),
        "http_status": pa.array([page.http_status for page in pages], pa.int16()),
        "n_images": pa.array([page.n_images for page in pages], pa.int32()),
        "n_pairs": pa.array(counts, pa.int32()),
        "unpaired": _maps([page.unpaired for page in pages]),
        "links": pa.array([()] * len(pages), pa.list_(pa.string())),
        "optout": pa.array([page.optout for page in pages], pa.list_(pa.string())),
    }
    return pa.Table.from_arrays([columns[field.name] for field in PAGES], schema=PAGES)


def _maps(counts: list[dict[str, int]]) -> pa.Array:
    """Counts by reason as an Arrow map each, in the order of the reasons."""
    offsets = np.zeros(len(counts) + 1, dtype=np.int32)
    np.cumsum([len(one) for one in counts], out=offsets[1:])
    keys = [reason for one in counts for reason in sorted(one)]
    values = [one[reason] for one in counts for reason in sorted(one)]
    return pa.MapArray.from_arrays(
        offsets, pa.array(keys, pa.string()), pa.array(values, pa.int32())
    )
