"""Candidates → samples: each one downloaded, decoded, resized, encoded; one outcome for each.

A unit is a part of candidates. Rows of many open parts wait for their hosts at once, so neither a
slow host nor the end of a part ever idles the rest. What becomes of a row goes into the journal of
its part; when all rows have theirs, the part is committed, in candidate order.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from webpairs_core.errors import NothingLeft, first_of
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage
from webpairs_core.process import raise_limit_of_open_files
from webpairs_core.schema import CANDIDATES
from webpairs_crawler.images.fetcher import Fetcher
from webpairs_pipeline.fetch import rounds
from webpairs_pipeline.fetch.known import Known, image_digest
from webpairs_pipeline.fetch.open_parts import OpenParts, Tools
from webpairs_pipeline.fetch.progress import FetchProgress, cause_of
from webpairs_pipeline.fetch.sources import Source, of_candidates
from webpairs_pipeline.fetch.timings import timings
from webpairs_pipeline.input_parts import input_parts
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.serve import serving
from webpairs_shards.image.decode_pool import DecodePool
from webpairs_shards.image.decode_worker import image_job


def run(run: Run, stage: Stage) -> Made:
    """Fetch all parts that are not committed. Raises NothingLeft when no image at all was had."""
    rounds.drop_what_lost_its_base(stage)
    sources = _sources(run, stage)
    began = time.monotonic()
    if sources:
        raise_limit_of_open_files()
        workers = min(run.workers, sum(source.n_rows for source in sources))
        with (
            serving(run.recipe.serve, run.out),
            Known(run, stage.work) as known,
            DecodePool(image_job(run.recipe.image), workers) as pool,
        ):
            try:
                asyncio.run(_fetch_all(run, stage, sources, known, pool))
            except BaseExceptionGroup as group:
                raise first_of(group) from None
    total = rounds.total(stage)
    if not total.funnel.kept:
        raise NothingLeft(
            f"none of {total.funnel.rows_in:,} images could be used ({_reasons(total.funnel)}); "
            f"{cause_of(total.funnel.rejected)}"
        )
    seconds = time.monotonic() - began
    n_fetched = sum(source.n_rows for source in sources)
    info: dict[str, Any] = {
        "bytes": total.n_bytes,
        "unchanged": total.n_unchanged,
        "candidates_per_s": round(n_fetched / seconds, 1) if sources else 0.0,
        "timings": timings([run.out / path for path in reversed(total.parts)]),
        "rounds": total.n_rounds,
        "made_with": {"image": image_digest(run)},
    }
    return Made(path=run.out / "samples", funnels=(total.funnel,), info=info)


def _sources(run: Run, stage: Stage) -> list[Source]:
    """The units that are not committed: all of the first round, before any of a later one."""
    parts = input_parts(run, "dedup", "candidates/", CANDIDATES)
    todo = [part for part in parts if not stage.is_done(part.unit)]
    for journal in stage.work.glob("*.journal"):
        if stage.is_done(journal.stem):  # killed between the commit and the removal
            journal.unlink()
    if todo:
        return [of_candidates(part.path, part.n_rows) for part in todo]
    return rounds.sources_left(run.out, stage)


async def _fetch_all(
    run: Run, stage: Stage, sources: Sequence[Source], known: Known, pool: DecodePool
) -> None:
    section = run.recipe.fetch
    total = sum(source.n_rows for source in sources)
    async with Fetcher(run.recipe.crawl, section) as fetcher:
        with FetchProgress(total, section.warn_below, fetcher) as progress:
            tools = Tools(fetcher, pool, known, progress)
            await OpenParts(run, stage, tools).fetch(sources)


def _reasons(funnel: Funnel) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in funnel.rejected.items()) or "no candidates"
