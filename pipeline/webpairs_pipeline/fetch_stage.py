"""Candidates → samples: each one downloaded, decoded, resized, encoded; one outcome row for each.

A unit is a part of candidates. Several parts are open at once and all their rows wait for a slot
of their host, so one slow host or the end of a part never idles the rest; each part is committed
when its last row is done. Pictures lie in a nameless spool file until then, because rows finish in
any order and the tar has candidate order.
"""

import asyncio
import hashlib
import tarfile
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from webpairs_core import files
from webpairs_core.errors import NothingLeft, first_of
from webpairs_core.funnel import Funnel, merge
from webpairs_core.ledger import DONE, Stage
from webpairs_core.process import raise_limit_of_open_files
from webpairs_core.progress import Progress
from webpairs_core.records import Outcome
from webpairs_core.schema import CANDIDATES, SAMPLES, read_part, read_table, write_part
from webpairs_crawler.images.answers import Fetched
from webpairs_crawler.images.fetcher import Fetcher
from webpairs_crawler.optout.signals import forbids
from webpairs_pipeline.input_parts import InputPart, input_parts
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.serve import serving
from webpairs_shards.decode_pool import DecodePool, image_job
from webpairs_shards.processed import Processed

_WINDOW_ROWS = 8192
"""About so many rows wait for their hosts at once, in 2 to 64 open parts."""
_TAR_HEADER_BYTES = 512
"""ustar, short names: one header block before each member's bytes (POSIX.1-2017 pax, ustar)."""


class _Tools(msgspec.Struct, frozen=True):
    """What all parts share while they are fetched."""

    run: Run
    stage: Stage
    fetcher: Fetcher
    pool: DecodePool
    progress: Progress


class _Row(msgspec.Struct, frozen=True):
    """What became of one candidate. The bytes are gone: they lie in the spool."""

    fetched: Fetched
    processed: Processed
    n_bytes: int
    sha256: str
    spool_offset: int
    length: int
    """Bytes of the encoded picture; 0 without one."""


def run(run: Run, stage: Stage) -> Made:
    """Fetch all parts that are not committed. Raises NothingLeft when no image at all was had."""
    todo = [
        part
        for part in input_parts(run, "dedup", "candidates/", CANDIDATES)
        if not stage.is_done(part.unit)
    ]
    began = time.monotonic()
    if todo:
        raise_limit_of_open_files()
        workers = min(run.workers, sum(part.n_rows for part in todo))
        with (
            serving(run.recipe.serve, run.out),
            DecodePool(image_job(run.recipe.image), workers) as pool,
        ):
            try:
                asyncio.run(_fetch_all(run, stage, todo, pool))
            except BaseExceptionGroup as group:
                raise first_of(group) from None
    commits = [commit for commit in stage.commits() if commit.unit != DONE]
    nothing = Funnel("fetch", "candidates", 0, 0)
    funnel = merge([nothing, *(funnel for commit in commits for funnel in commit.funnels)])
    if not funnel.kept:
        raise NothingLeft(
            f"none of {funnel.rows_in:,} images could be used ({_reasons(funnel)}): look at "
            "the outcomes above and at the [fetch] and [image] sections of the recipe"
        )
    seconds = time.monotonic() - began
    n_fetched = sum(part.n_rows for part in todo)
    info: dict[str, Any] = {
        "bytes": sum(commit.info["bytes"] for commit in commits),
        "candidates_per_s": round(n_fetched / seconds, 1) if todo else 0.0,
        "fetch_ms": _latencies(run.out / "samples" / f"{c.unit}.parquet" for c in commits),
    }
    return Made(path=run.out / "samples", funnels=(funnel,), info=info)


async def _fetch_all(run: Run, stage: Stage, parts: Sequence[InputPart], pool: DecodePool) -> None:
    n_open = min(64, max(2, _WINDOW_ROWS // run.recipe.fetch.rows_per_part))
    window = asyncio.Semaphore(n_open)
    total = sum(part.n_rows for part in parts)
    async with Fetcher(run.recipe.crawl, run.recipe.fetch) as fetcher:
        with Progress("fetch", "candidates", total) as progress:
            tools = _Tools(run, stage, fetcher, pool, progress)

            async def fetch_and_leave(part: InputPart) -> None:
                try:
                    await _fetch_part(tools, part)
                finally:
                    window.release()

            async with asyncio.TaskGroup() as group:
                for part in parts:
                    await window.acquire()
                    group.create_task(fetch_and_leave(part))


async def _fetch_part(tools: _Tools, part: InputPart) -> None:
    table = read_table(part.path, CANDIDATES).slice(0, part.n_rows)
    with files.disk_errors():
        tools.stage.scratch.mkdir(parents=True, exist_ok=True)
        spool = tempfile.TemporaryFile(dir=tools.stage.scratch)  # noqa: SIM115
    with spool:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_fetch_row(tools, url, spool)) for url in table["url"].to_pylist()
            ]
        rows = [task.result() for task in tasks]
        await asyncio.to_thread(_commit, tools, part, (table, rows, spool))


async def _fetch_row(tools: _Tools, url: str, spool: IO[bytes]) -> _Row:
    async with tools.fetcher.fetch(url) as fetched:
        if fetched.outcome is Outcome.OK:
            processed = await tools.pool.run(fetched.data)
            fetched = _with_rights(fetched, processed)
            if forbids(fetched.optout, tools.run.recipe.crawl.optout):
                processed = Processed(outcome=Outcome.OPTED_OUT, rights=processed.rights)
        else:
            processed = Processed(outcome=fetched.outcome)
        data = fetched.data
    with files.disk_errors():
        place = spool.tell()
        spool.write(processed.data)
    tools.progress.add(1)
    return _Row(
        fetched=replace(fetched, data=b""),
        processed=replace(processed, data=b""),
        n_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest() if data else "",
        spool_offset=place,
        length=len(processed.data),
    )


def _with_rights(fetched: Fetched, processed: Processed) -> Fetched:
    """What was fetched, with the signals inside the file beside those around it."""
    signals = {*fetched.optout, *processed.rights.signals}
    return replace(fetched, optout=tuple(sorted(signals)))


def _commit(tools: _Tools, part: InputPart, made: tuple[pa.Table, list[_Row], IO[bytes]]) -> None:
    table, rows, spool = made
    tar_name, part_name = f"samples/{part.unit}.tar", f"samples/{part.unit}.parquet"
    names = [f"{key.hex()}.{tools.run.recipe.image.format}" for key in table["key"].to_pylist()]
    with files.disk_errors(), tools.stage.unit(part.unit) as unit:
        offsets = _write_tar(unit.path(tar_name), names, rows, spool)
        samples = _with_outcomes(table, rows, [tar_name if at else "" for at in offsets], offsets)
        unit.rows(part_name, write_part(unit.path(part_name), [samples], SAMPLES))
        counts = Counter(str(row.processed.outcome) for row in rows)
        kept = counts.pop(str(Outcome.OK), 0)
        unit.rows(tar_name, kept)
        unit.commit(
            Funnel("fetch", "candidates", len(rows), kept, dict(counts)),
            info={"bytes": sum(row.n_bytes for row in rows)},
        )


def _write_tar(path: Path, names: list[str], rows: list[_Row], spool: IO[bytes]) -> list[int]:
    """Write the pictures in candidate order; return where the bytes of each begin, 0 for none."""
    offsets = []
    with (
        path.open("wb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, row in zip(names, rows, strict=True):
            if not row.length:
                offsets.append(0)
                continue
            member = tarfile.TarInfo(name)
            member.size = row.length
            member.mtime = 0
            spool.seek(row.spool_offset)
            offsets.append(tar.offset + _TAR_HEADER_BYTES)
            tar.addfile(member, BytesIO(spool.read(row.length)))
    return offsets


def _with_outcomes(
    table: pa.Table, rows: list[_Row], tars: list[str], offsets: list[int]
) -> pa.Table:
    """The candidates with the outcome columns of samples/2."""
    columns = {
        "outcome": [str(row.processed.outcome) for row in rows],
        "http_status": [row.fetched.http_status for row in rows],
        "final_url": [row.fetched.final_url for row in rows],
        "content_type": [row.fetched.content_type for row in rows],
        "bytes": [row.n_bytes for row in rows],
        "etag": [row.fetched.etag for row in rows],
        "last_modified": [row.fetched.last_modified for row in rows],
        "sha256": [row.sha256 for row in rows],
        "phash": [row.processed.phash for row in rows],
        "original_width": [row.processed.original_width for row in rows],
        "original_height": [row.processed.original_height for row in rows],
        "width": [row.processed.width for row in rows],
        "height": [row.processed.height for row in rows],
        "fetch_ms": [row.fetched.fetch_ms for row in rows],
        "attempts": [row.fetched.attempts for row in rows],
        "image_optout": [list(row.fetched.optout) for row in rows],
        "rights_creator": [row.processed.rights.creator for row in rows],
        "rights_copyright": [row.processed.rights.copyright for row in rows],
        "rights_license": [row.processed.rights.license for row in rows],
        "tar": tars,
        "offset": offsets,
        "length": [row.length for row in rows],
    }
    arrays = [table[name] for name in CANDIDATES.names]
    arrays += [pa.array(values, SAMPLES.field(name).type) for name, values in columns.items()]
    return pa.Table.from_arrays(arrays, schema=SAMPLES)


def _latencies(parts: Iterable[Path]) -> dict[str, dict[str, int]]:
    """Rows, and the median and 95th percentile of fetch_ms, by outcome."""
    times: dict[str, list[int]] = defaultdict(list)
    for part in parts:
        for batch in read_part(part, SAMPLES):
            rows = zip(batch["outcome"].to_pylist(), batch["fetch_ms"].to_pylist(), strict=True)
            for outcome, ms in rows:
                times[outcome].append(ms)
    return {outcome: _spread(found) for outcome, found in sorted(times.items())}


def _spread(times: list[int]) -> dict[str, int]:
    p50, p95 = np.percentile(times, [50, 95])
    return {"n": len(times), "p50": round(float(p50)), "p95": round(float(p95))}


def _reasons(funnel: Funnel) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in funnel.rejected.items()) or "no candidates"
