"""Files that people have already → samples, with one outcome for each row.

A unit is `fetch.rows_per_part` rows of one source file. Rows are read in order by this process and
decoded by others, several at a time; whichever is done first, they are written in order, so the
bytes depend on the sources alone. A killed run goes on at the first unit that is not committed:
rows of finished ones are passed over unread.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import count, groupby, islice
from operator import attrgetter
from typing import NamedTuple

from msgspec.structs import replace

from webpairs_core.errors import NothingLeft
from webpairs_core.funnel import Funnel, merge
from webpairs_core.ledger import DONE, Stage
from webpairs_core.progress import Progress
from webpairs_core.records import Outcome
from webpairs_crawler.optout.signals import forbids
from webpairs_crawler.tables.locate import TableInput
from webpairs_filters.image.blocklist import ImageBlocklist
from webpairs_pipeline.fetch.progress import cause_of
from webpairs_pipeline.pack.folder import folder_rows
from webpairs_pipeline.pack.locate import SourceFile, locate
from webpairs_pipeline.pack.part import NOUN, PackedRow, write_packed
from webpairs_pipeline.pack.rows import SourceRow, Unread
from webpairs_pipeline.pack.table import open_table, table_rows
from webpairs_pipeline.pack.webdataset import check_tar, tar_rows
from webpairs_pipeline.run import Made, Run
from webpairs_shards.image.decode_pool import DecodePool
from webpairs_shards.image.decode_worker import image_job
from webpairs_shards.image.processed import Processed

_WAITING_PER_WORKER = 8
_WAITING_BYTES = 256 << 20
"""Of images that are read and not decoded yet; one larger than that is alone."""


def run(run: Run, stage: Stage) -> Made:
    """Pack all sources.

    Raises RecipeError and PartCorrupt for sources that cannot be read, before anything is done
    where a look shows it; NothingLeft when no row becomes a sample.
    """
    sources = [(source, _opened(run, source)) for source in locate(run.sources)]
    judge = _Judge(run)
    ending = run.recipe.image.format
    with (
        DecodePool(image_job(run.recipe.image), run.workers) as pool,
        Progress("pack", NOUN, run.limit) as progress,
    ):
        steps = _steps(run, stage, sources, progress)
        results = judge.judged(steps, pool)
        for unit, packed in groupby(results, key=attrgetter("unit")):
            progress.add(write_packed(stage, unit, packed, ending))
    commits = [commit for commit in stage.commits() if commit.unit != DONE]
    funnel = merge([Funnel("pack", NOUN, 0, 0), *(f for c in commits for f in c.funnels)])
    if not funnel.kept:
        raise NothingLeft(
            f"none of {funnel.rows_in:,} rows became a sample ({_reasons(funnel)}); "
            f"{cause_of(funnel.rejected)}"
        )
    info = {
        "bytes": sum(commit.info["bytes"] for commit in commits),
        "shortened": sum(commit.info["shortened"] for commit in commits),
    }
    return Made(path=run.out / "samples", funnels=(funnel,), info=info)


class _Step(NamedTuple):
    unit: str
    row: SourceRow


def _opened(run: Run, source: SourceFile) -> TableInput | None:
    """A look at a source before the work begins. Raises as `check_tar` and `open_table`."""
    if source.kind == "table":
        return open_table(source.path, run.image_column, run.caption_column)
    if source.kind == "tar":
        check_tar(source.path)
    return None


def _rows(source: SourceFile, table: TableInput | None, max_bytes: int) -> Iterator[Unread]:
    if table is not None:
        return table_rows(table, max_bytes)
    if source.kind == "tar":
        return tar_rows(source.path, max_bytes)
    return folder_rows(source.path, max_bytes)


def _steps(
    run: Run,
    stage: Stage,
    sources: Iterable[tuple[SourceFile, TableInput | None]],
    progress: Progress,
) -> Iterator[_Step]:
    """The rows of all units that are not committed, in order, at most `run.limit` of all rows."""
    n_left = run.limit
    size = run.recipe.fetch.rows_per_part
    for number, (source, table) in enumerate(sources):
        rows = _rows(source, table, run.recipe.fetch.max_bytes)
        for part in count():
            wanted = size if n_left is None else min(size, n_left)
            unit = f"part-{number:06d}-{part:05d}"
            n_rows = 0
            if stage.is_done(unit):
                n_rows = sum(1 for _ in islice(rows, wanted))
                progress.add(n_rows)
            else:
                for unread in islice(rows, wanted):
                    yield _Step(unit, unread())
                    n_rows += 1
            n_left = None if n_left is None else n_left - n_rows
            if n_rows < size:  # the source has no more, or the limit is reached
                break


class _Judge:
    """What becomes of rows: decoded in other processes, held against lists and signals here."""

    def __init__(self, run: Run) -> None:
        self._blocklist = ImageBlocklist(run.recipe.blocklist)
        self._policy = run.recipe.crawl.optout
        self._n_waiting = run.workers * _WAITING_PER_WORKER

    def judged(self, steps: Iterable[_Step], pool: DecodePool) -> Iterator[PackedRow]:
        """Each row, in order, with its picture. A few wait, as many as the decoders need."""
        waiting: deque[tuple[_Step, Future[Processed] | None]] = deque()
        n_bytes = 0
        for step in steps:
            is_open = step.row.refused is None and not self._blocklist.names(step.row.data)
            waiting.append((step, pool.submit(step.row.data) if is_open else None))
            n_bytes += len(step.row.data)
            while len(waiting) > self._n_waiting or n_bytes > _WAITING_BYTES:
                n_bytes -= len(waiting[0][0].row.data)
                yield self._finished(*waiting.popleft())
        while waiting:
            yield self._finished(*waiting.popleft())

    def _finished(self, step: _Step, decoded: Future[Processed] | None) -> PackedRow:
        row = step.row
        if decoded is not None:
            processed = self._allowed(row, decoded.result())
        else:
            processed = Processed(outcome=row.refused or Outcome.BLOCKED)
        is_known = processed.outcome is not Outcome.BLOCKED and bool(row.data)
        return PackedRow(
            unit=step.unit,
            place=row.place,
            text=row.text,
            facts=row.facts if is_known or row.refused else replace(row.facts, sha256=""),
            n_bytes=len(row.data) if is_known else 0,
            sha256=hashlib.sha256(row.data).hexdigest() if is_known else "",
            processed=processed,
        )

    def _allowed(self, row: SourceRow, processed: Processed) -> Processed:
        if processed.outcome is not Outcome.OK:
            return processed
        signals = {*row.facts.optout, *processed.rights.signals}
        if forbids(signals, self._policy):
            return Processed(outcome=Outcome.OPTED_OUT, rights=processed.rights)
        known = row.facts
        width, height = known.original or (processed.original_width, processed.original_height)
        return replace(
            processed,
            original_width=width,
            original_height=height,
            phash=processed.phash if known.phash is None else known.phash,
        )


def _reasons(funnel: Funnel) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in funnel.rejected.items()) or "no rows"
