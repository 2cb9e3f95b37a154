"""Where pages and their pairs are kept: parts of OUT, each a unit of the crawl stage.

An answered page is a record in the frontier's file until the part that holds it is committed; the
commit names the last record in it. So a page is always in exactly one of the two, whatever kills
the process.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa

from webpairs_core import files
from webpairs_core.errors import PartCorrupt
from webpairs_core.files import disk_errors
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage
from webpairs_core.records import Outcome, Pair
from webpairs_core.schema import PAGES, PAIRS, pairs_table, read_part, write_part
from webpairs_crawler.archive.writer import Exchange, WarcWriter, write_cdx
from webpairs_crawler.frontier.frontier import Frontier
from webpairs_crawler.web.urls import host_of

_LIVE_PART = re.compile(r"part-\d+\Z")
_LAST_RECORD = "last_record"


class PageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One page that was asked for; the fields of schema pages/1."""

    url: str
    depth: int
    outcome: str
    """A value of `Outcome`, or `redirect`, `not_html` or `sitemap`."""
    http_status: int = 0
    n_images: int = 0
    n_pairs: int = 0
    unpaired: dict[str, int] = {}
    links: tuple[str, ...] = ()
    optout: tuple[str, ...] = ()


class PageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An answered page, as the frontier keeps it until its part is committed."""

    row: PageRow
    pairs: tuple[Pair, ...] = ()
    warc_length: int = 0
    """The length of the part's WARC file with this page in it; 0 when none is written."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(PageRecord)


def packed(record: PageRecord) -> bytes:
    """A record as the frontier keeps it."""
    return _ENCODER.encode(record)


class PageParts:
    """Turns the frontier's records into parts, and keeps the WARC file of the part to come."""

    def __init__(self, stage: Stage, frontier: Frontier, pages_per_part: int) -> None:
        """Go on from what is committed. Raises PartCorrupt when the frontier's file is gone but
        its parts are there: a crawl from the start would double them."""
        self._stage = stage
        self._frontier = frontier
        self._pages_per_part = pages_per_part
        commits = [commit for commit in stage.commits() if _LIVE_PART.match(commit.unit)]
        if commits and not frontier.n_answered:
            raise PartCorrupt(
                f"{stage.work} no longer knows which pages {stage.root} holds: crawl again with "
                "--fresh"
            )
        self._next = len(commits)
        if commits:
            frontier.drop_records(max(commit.info[_LAST_RECORD] for commit in commits))
        lengths = [_DECODER.decode(data).warc_length for _, data in frontier.records()]
        self._n_records = len(lengths)
        self._warc: WarcWriter | None = None
        self._recover_warc(lengths)

    @property
    def name(self) -> str:
        """The unit to come."""
        return f"part-{self._next:05d}"

    def keep(self, exchange: Exchange) -> int:
        """Append an exchange to the part's WARC file; return the file's length after it."""
        if self._warc is None:
            self._stage.work.mkdir(parents=True, exist_ok=True)
            self._warc = WarcWriter(self._warc_path())
        with disk_errors():
            return self._warc.write(exchange)

    def count(self) -> None:
        """One more record lies in the frontier: commit when the part is full."""
        self._n_records += 1
        self.commit_if_full()

    def commit_if_full(self) -> None:
        """Commit when there are enough records."""
        if self._n_records >= self._pages_per_part:
            self.commit()

    def commit(self) -> None:
        """Commit what is there, if anything. Raises StorageError when the disk is full."""
        held = [(number, _DECODER.decode(data)) for number, data in self._frontier.records()]
        if not held:
            return
        self._frontier.sync()
        rows = sorted((record.row for _, record in held), key=lambda row: row.url)
        pairs = [pair for _, record in held for pair in record.pairs]
        pairs.sort(key=lambda pair: (pair.page_url, pair.position))
        pages_path, pairs_path = f"pages/{self.name}.parquet", f"pairs/{self.name}.parquet"
        with disk_errors(), self._stage.unit(self.name) as unit:
            write_part(unit.path(pages_path), [_pages_table(rows)], PAGES)
            write_part(unit.path(pairs_path), [pairs_table(pairs)], PAIRS)
            unit.rows(pages_path, len(rows))
            unit.rows(pairs_path, len(pairs))
            warc = self._warc_path()
            if self._warc is not None:
                self._warc.close()
                os.link(warc, unit.path(f"warc/{warc.name}"))
                write_cdx(warc, unit.path(f"warc/{self.name}.cdx"))
            unit.commit(_funnel(rows), info=_facts(rows) | {_LAST_RECORD: held[-1][0]})
        self._frontier.drop_records(held[-1][0])
        if self._warc is not None:
            # The committed name is another link to the same file.
            files.remove(warc)
            self._warc = None
        self._next += 1
        self._n_records = 0

    def _warc_path(self) -> Path:
        return self._stage.work / f"{self.name}.warc.gz"

    def _recover_warc(self, lengths: list[int]) -> None:
        """Cut off what was written for pages that were never answered."""
        for path in self._stage.work.glob("part-*.warc.gz"):
            if path != self._warc_path():
                files.remove(path)
        if not self._warc_path().exists():
            return
        self._warc = WarcWriter(self._warc_path())
        # After a power cut the file may be shorter than the last records say.
        known = [length for length in lengths if length <= self._warc.length]
        self._warc.truncate(max(known, default=0))


def committed_pages(stage: Stage) -> Iterator[PageRow]:
    """The pages that earlier runs of this stage committed, part by part."""
    for commit in stage.commits():
        for entry in commit.files:
            if entry.path.startswith("pages/"):
                for batch in read_part(stage.root / entry.path, PAGES):
                    for row in batch.to_pylist():
                        yield msgspec.convert(row | {"unpaired": dict(row["unpaired"])}, PageRow)


def _pages_table(rows: list[PageRow]) -> pa.Table:
    dicts = [msgspec.structs.asdict(row) for row in rows]
    for row in dicts:
        row["unpaired"] = sorted(row["unpaired"].items())
    return pa.Table.from_pylist(dicts, schema=PAGES)


def _funnel(rows: list[PageRow]) -> Funnel:
    outcomes = Counter(row.outcome for row in rows)
    kept = outcomes.pop(Outcome.OK, 0)
    return Funnel("crawl", "pages", len(rows), kept, dict(sorted(outcomes.items())))


def _facts(rows: list[PageRow]) -> dict[str, object]:
    unpaired: Counter[str] = Counter()
    for row in rows:
        unpaired.update(row.unpaired)
    return {
        "n_images": sum(row.n_images for row in rows),
        "n_pairs": sum(row.n_pairs for row in rows),
        "unpaired": dict(sorted(unpaired.items())),
        "hosts": sorted({host_of(row.url) for row in rows}),
    }
