"""One archive file of the web (WARC, ARC, WAT) becomes one part of pages and one of pairs."""

from collections import Counter
from typing import Any

import pyarrow.compute as pc
from msgspec.structs import replace

from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage
from webpairs_core.process import collect_rarely
from webpairs_core.records import TextSource
from webpairs_core.schema import PAGES, PAIRS, PartWriter
from webpairs_crawler.archive.locate import Input, open_input
from webpairs_crawler.archive.read import ArchiveBatch, ArchiveOutcome, ArchiveSource, read_archive
from webpairs_crawler.options import CrawlSection
from webpairs_pipeline.input_unit import FileTask, Taken

NOUN = "records"


class ArchiveTask(FileTask, frozen=True, kw_only=True):
    """One archive to read; its limit counts records with a page."""

    input: Input
    source: ArchiveSource


def archive_tasks(stage: Stage, section: CrawlSection, archives: list[Input]) -> list[ArchiveTask]:
    """A task for each archive of the recipe, in the order of their names."""
    return [
        ArchiveTask(
            stage=stage,
            unit=f"part-w{number:05d}",
            input=archive,
            source=ArchiveSource(
                name=archive.url,
                texts=tuple(TextSource(text) for text in section.texts),
                agent=section.agent,
                max_page_bytes=section.max_page_bytes,
            ),
        )
        for number, archive in enumerate(archives)
    ]


def read_archive_unit(task: ArchiveTask) -> Taken:
    """Read one archive and commit it. Raises as `open_input` and `read_archive`."""
    collect_rarely()
    pages_path, pairs_path = f"pages/{task.unit}.parquet", f"pairs/{task.unit}.parquet"
    outcomes: Counter[str] = Counter()
    others: Counter[str] = Counter()
    unpaired: Counter[str] = Counter()
    n_images, n_left = 0, task.limit
    with task.stage.unit(task.unit) as unit:
        with (
            PartWriter(unit.path(pages_path), PAGES) as pages,
            PartWriter(unit.path(pairs_path), PAIRS) as pairs,
            open_input(task.input.url) as stream,
        ):
            for whole in read_archive(stream, task.source):
                batch = whole if n_left is None else _first_pages(whole, n_left)
                pages.write(batch.pages)
                pairs.write(batch.pairs)
                outcomes.update(batch.outcomes)
                others.update(batch.others)
                n_images += pc.sum(batch.pages["n_images"]).as_py() or 0
                for reasons in batch.pages["unpaired"].to_pylist():
                    unpaired.update(dict(reasons))
                if n_left is not None:
                    n_left -= sum(batch.outcomes.values())
                    if n_left == 0:
                        break
        unit.rows(pages_path, pages.rows)
        unit.rows(pairs_path, pairs.rows)
        n_in = sum(outcomes.values())
        kept = outcomes.pop(ArchiveOutcome.OK, 0)
        info: dict[str, Any] = {
            "n_images": n_images,
            "n_pairs": pairs.rows,
            "unpaired": dict(unpaired),
            "other_records": dict(others),
        }
        unit.commit(Funnel("crawl", NOUN, n_in, kept, dict(outcomes)), info=info)
    return Taken(n_in, pairs.rows)


def _first_pages(batch: ArchiveBatch, n_pages: int) -> ArchiveBatch:
    """The batch cut after `n_pages` pages. Where it is cut, only records with a page count."""
    if sum(batch.outcomes.values()) <= n_pages:
        return batch
    pages = batch.pages.slice(0, n_pages)
    n_pairs = pc.sum(pages["n_pairs"]).as_py() or 0
    outcomes = Counter(pages["outcome"].to_pylist())
    return replace(batch, pages=pages, pairs=batch.pairs.slice(0, n_pairs), outcomes=dict(outcomes))
