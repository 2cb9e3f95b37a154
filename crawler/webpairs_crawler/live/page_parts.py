"""Where pages and their pairs are kept: parts of OUT, each a unit of the crawl stage."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa

from webpairs_core.files import disk_errors
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage
from webpairs_core.records import Outcome, Pair
from webpairs_core.schema import PAGES, PAIRS, pairs_table, read_part, write_part
from webpairs_crawler.web.urls import host_of


class PageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One page that was asked for; the fields of schema pages/1."""

    url: str
    depth: int
    outcome: str
    """A value of `Outcome`, or `redirect` or `not_html`."""
    http_status: int = 0
    n_images: int = 0
    n_pairs: int = 0
    unpaired: dict[str, int] = {}
    links: tuple[str, ...] = ()
    optout: tuple[str, ...] = ()


class PageParts:
    """Collects pages and commits a part whenever enough have come together."""

    def __init__(self, stage: Stage, pages_per_part: int) -> None:
        self._stage = stage
        self._pages_per_part = pages_per_part
        self._next = sum(commit.unit.startswith("part-") for commit in stage.commits())
        self._rows: list[PageRow] = []
        self._pairs: list[Pair] = []

    def add(self, row: PageRow, pairs: Sequence[Pair]) -> None:
        """Take in one page; commits when the part is full."""
        self._rows.append(row)
        self._pairs.extend(pairs)
        if len(self._rows) >= self._pages_per_part:
            self.commit()

    def commit(self) -> None:
        """Commit what is there, if anything. Raises StorageError when the disk is full."""
        if not self._rows:
            return
        rows = sorted(self._rows, key=lambda row: row.url)
        pairs = sorted(self._pairs, key=lambda pair: (pair.page_url, pair.position))
        name = f"part-{self._next:05d}"
        pages_path, pairs_path = f"pages/{name}.parquet", f"pairs/{name}.parquet"
        with disk_errors(), self._stage.unit(name) as unit:
            write_part(unit.path(pages_path), [_pages_table(rows)], PAGES)
            write_part(unit.path(pairs_path), [pairs_table(pairs)], PAIRS)
            unit.rows(pages_path, len(rows))
            unit.rows(pairs_path, len(pairs))
            unit.commit(_funnel(rows), info=_facts(rows))
        self._next += 1
        self._rows, self._pairs = [], []


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
