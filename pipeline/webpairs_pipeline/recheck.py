"""`webpairs recheck SHARDS`: ask the web again about a finished dataset, and list what must go.

Nothing is changed: the list is for a person, or for whatever deletes. The recipe in the manifest
says how to ask (agent, contact, policy, networks), so a dataset is held to the rules it was made
by; --set changes them. Each page and each image is asked once, however many samples name it, and
for its headers only: what stands in the HTML of a page or inside an image, a new crawl reads.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from webpairs_core import files
from webpairs_core.errors import RecipeError, first_of
from webpairs_core.keys import digest
from webpairs_core.process import raise_limit_of_open_files
from webpairs_core.progress import Progress
from webpairs_core.schema import SHARD, read_part
from webpairs_crawler.images.fetcher import Fetcher
from webpairs_crawler.images.recheck import MUST_GO, Checked, Verdict, gravest, recheck
from webpairs_pipeline.asked import Address, Asked
from webpairs_pipeline.recipe import Recipe, recipe_dict, recipe_from
from webpairs_pipeline.serve import serving
from webpairs_shards.format.layout import MANIFEST
from webpairs_shards.format.manifest import Manifest, read_manifest

ENDINGS = (".csv", ".jsonl", ".parquet")
_LIST = pa.schema(
    [(name, pa.string()) for name in ("key", "url", "page_url", "shard", "reason", "signals")]
)
_WINDOW = 4096
"""Addresses that wait for their hosts at once. Shards are shuffled, so they are of many hosts."""
_KEEP_EVERY_S = 2.0
_ROWS_AT_ONCE = 8_192
_LISTED = (*MUST_GO, Verdict.GONE)
_WORDS = {
    Verdict.OPTED_OUT: "must go: a header of page or image, or their site, now forbids the use",
    Verdict.ROBOTS: "must go: robots.txt now keeps this crawler away",
    Verdict.GONE: "listed, but need not go: nothing is there any more",
    Verdict.UNKNOWN: "not listed: could not be asked, which says nothing",
    Verdict.FINE: "may stay",
}


class RecheckOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The command's flags."""

    out: Path | None = None
    """The list to write; recheck.csv beside the shards' folder when None."""
    overrides: list[str] = []
    """`section.key=value`, over the recipe of the manifest."""
    is_fresh: bool = False


def recheck_shards(shards: Path, options: RecheckOptions) -> dict[str, Any]:
    """Ask about every sample of a finished dataset; return the counts by verdict.

    Raises ShardError and its kin when the shards cannot be read, RecipeError for a wrong --out or
    --set, StorageError when the list cannot be written.
    """
    out = options.out or shards.resolve().parent / "recheck.csv"
    if out.suffix not in ENDINGS:
        raise RecipeError(f"--out {out} must end in {', '.join(ENDINGS)}: that is its format")
    if out.resolve().is_relative_to(shards.resolve()):
        raise RecipeError(f"--out {out} lies in the dataset, which is not changed: choose another")
    manifest = read_manifest(shards)
    recipe = recipe_from(manifest.recipe, options.overrides, str(shards / MANIFEST))
    same = digest([files.file_sha256(shards / MANIFEST), recipe_dict(recipe)["crawl"]])
    notes = out.with_name(f".{out.name}.asked")
    with Asked(notes, same, is_fresh=options.is_fresh) as asked:
        if asked.is_new:
            asked.write_down(_addresses(shards, manifest))
        if asked.n_left():
            raise_limit_of_open_files()
            with serving(recipe.serve, shards.resolve().parent):
                _ask_all(recipe, asked)
        counts = _write_list(out, _listed(shards, manifest, asked))
    return {
        "made": str(out),
        "samples": manifest.n_samples,
        "must_go": sum(counts[verdict] for verdict in MUST_GO),
        **{str(verdict): counts[verdict] for verdict in Verdict},
    }


def summary(result: dict[str, Any]) -> str:
    """The counts as a table for a person."""
    lines = [f"{verdict:<10} {result[verdict]:>12,}  {_WORDS[verdict]}" for verdict in Verdict]
    return "\n".join([f"{result['samples']:,} samples", *lines])


def _rows(shards: Path, manifest: Manifest) -> Iterator[dict[str, str]]:
    """Key and addresses of each sample, from the sidecars."""
    for entry in manifest.shards:
        for batch in read_part(shards / f"{entry.name}.parquet", SHARD):
            some = batch.select(["key", "url", "page_url"]).to_pylist()
            yield from (row | {"shard": entry.name} for row in some)


def _addresses(shards: Path, manifest: Manifest) -> Iterator[Address]:
    for row in _rows(shards, manifest):
        yield from _addresses_of(row)


def _addresses_of(row: dict[str, str]) -> list[Address]:
    """Image and page; a sample from somebody's list of images has no page."""
    image: Address = (row["url"], "image")
    return [image, (row["page_url"], "page")] if row["page_url"] else [image]


def _ask_all(recipe: Recipe, asked: Asked) -> None:
    try:
        asyncio.run(_ask_those_left(recipe, asked))
    except BaseExceptionGroup as group:
        raise first_of(group) from None


async def _ask_those_left(recipe: Recipe, asked: Asked) -> None:
    window = asyncio.Semaphore(_WINDOW)
    found: list[tuple[Address, Checked]] = []
    kept_at = time.monotonic()
    try:
        async with Fetcher(recipe.crawl, recipe.fetch) as fetcher:
            with Progress("recheck", "addresses", asked.n_left()) as progress:

                async def one(address: Address) -> None:
                    nonlocal kept_at
                    try:
                        found.append((address, await recheck(fetcher, *address)))
                    finally:
                        window.release()
                    progress.add(1)
                    if time.monotonic() - kept_at > _KEEP_EVERY_S:
                        asked.keep(found)
                        found.clear()
                        kept_at = time.monotonic()

                async with asyncio.TaskGroup() as group:
                    for address in asked.left():
                        await window.acquire()
                        group.create_task(one(address))
    finally:
        asked.keep(found)  # also when interrupted: the same command goes on from there


def _listed(shards: Path, manifest: Manifest, asked: Asked) -> Iterator[dict[str, str]]:
    """Each sample with its verdict as `reason`."""
    for row in _rows(shards, manifest):
        checked = gravest(*(asked.of(address) for address in _addresses_of(row)))
        yield row | {"reason": str(checked.verdict), "signals": " ".join(checked.signals)}


def _write_list(out: Path, rows: Iterator[dict[str, str]]) -> Counter[str]:
    """Write the rows that must go or are gone; return how many samples have each verdict."""
    counts: Counter[str] = Counter()
    scratch = out.with_name(f".{out.name}.tmp")
    with files.disk_errors():
        with _writer(scratch, out.suffix) as write:
            while some := list(islice(rows, _ROWS_AT_ONCE)):
                counts.update(row["reason"] for row in some)
                listed = [row for row in some if row["reason"] in _LISTED]
                write(pa.Table.from_pylist(listed, schema=_LIST))
        files.sync_file(scratch)
        files.rename(scratch, out)
    return counts


@contextmanager
def _writer(path: Path, ending: str) -> Iterator[Callable[[pa.Table], None]]:
    """What appends tables to a new file of this format."""
    if ending == ".jsonl":
        with path.open("wb") as file:

            def write_lines(table: pa.Table) -> None:
                file.write(msgspec.json.Encoder().encode_lines(table.to_pylist()))

            yield write_lines
        return
    if ending == ".csv":
        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        writer: Any = pyarrow.csv.CSVWriter(path, _LIST, write_options=options)
    else:
        writer = pyarrow.parquet.ParquetWriter(path, _LIST)
    with writer:
        yield writer.write_table
