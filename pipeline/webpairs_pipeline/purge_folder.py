"""One folder of a purge: what the lists name in each shard, new files beside the old ones, and the
replacement of all of them at once (`webpairs_shards/write/replace.py`).

A worker has one shard in hand: it reads the sidecar, and where a list names a row, it writes the
shard without it into the scratch folder. So memory does not grow with the dataset.
"""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from webpairs_core import files
from webpairs_core.errors import NothingLeft, StorageError
from webpairs_core.ledger import Ledger
from webpairs_core.progress import Progress
from webpairs_filters.removal import Mask, Removal, named
from webpairs_pipeline.engine import run_units
from webpairs_pipeline.purge_ledger import follow, is_known, run_of
from webpairs_shards.format.card import purged_card, survey
from webpairs_shards.format.croissant import encode_croissant
from webpairs_shards.format.layout import CARD, CROISSANT, MANIFEST, PURGED, SIZES
from webpairs_shards.format.manifest import (
    Manifest,
    ShardEntry,
    encode_manifest,
    encode_sizes,
    read_manifest,
)
from webpairs_shards.format.purged import PurgedSample, check_purged, encode_purged, purged_list
from webpairs_shards.write.replace import (
    SCRATCH,
    Replacement,
    begin,
    finish,
    only_one,
    pending,
)
from webpairs_shards.write.rewrite import Shard, rewrite_shard
from webpairs_shards.write.writer import ShardFiles

_ENDINGS = ("tar", "idx", "parquet")
_LINES = ".jsonl"
"""Of a shard's part of purged.jsonl, in the scratch folder."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FolderPurge(msgspec.Struct, frozen=True, kw_only=True):
    """What went from one folder."""

    n_samples: int
    """Before."""
    n_shards: int
    """Before."""
    n_removed: int
    by: dict[str, int]
    """Samples that each kind of list names; one may be named by several."""
    shards: dict[str, tuple[int, int]]
    """Shards that lose samples: how many, of how many."""


class _Task(msgspec.Struct, frozen=True):
    shard: Shard
    removal: Removal
    date: str
    is_dry_run: bool

    @property
    def scratch(self) -> Path:
        return self.shard.folder / SCRATCH


class _Found(msgspec.Struct, frozen=True):
    name: str
    by: dict[str, int]
    n_removed: int
    entry: ShardEntry | None
    """Of the shard as it stands in the scratch folder; None when nothing of it is left or nothing
    went."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other purges away, and the commands of the run that the folder belongs to."""
    run = run_of(folder)
    with Ledger(run).lock() if run else nullcontext(), only_one(folder):
        yield


def finish_pending(folder: Path) -> bool:
    """Finish what an earlier purge has begun; say whether there was something. Needs `held`."""
    replacement = pending(folder)
    if replacement is not None:
        with _disk(folder, "run the same command again, which finishes the purge"):
            _finish(folder, replacement)
    return replacement is not None


def purge_folder(
    folder: Path, removal: Removal, workers: int, *, is_dry_run: bool = False
) -> FolderPurge:
    """Take out of one folder what the lists name. Needs `held` unless it is a dry run.

    Raises ListError, ShardCorrupt for a damaged shard, NothingLeft when all would go, StorageError
    when the disk is full; in all these cases nothing has changed.
    """
    manifest = read_manifest(folder)
    check_purged(folder, manifest)
    date = datetime.now(UTC).date().isoformat()
    shards = [Shard(folder, entry, manifest.image_format) for entry in manifest.shards]
    tasks = [_Task(shard, removal, date, is_dry_run) for shard in shards]
    scratch = folder / SCRATCH
    replacement = None
    with _disk(folder, "nothing was changed: free some space and run the same command again"):
        try:
            if not is_dry_run:
                files.remove_tree(scratch)  # of a purge that died before it changed anything
            found: dict[str, _Found] = {}
            with Progress("purge", "shards", len(tasks)) as progress:
                for one in run_units(find_in_shard, tasks, workers):
                    found[one.name] = one
                    progress.add(1)
            told = _told(manifest, found)
            if told.n_removed == manifest.n_samples:
                raise NothingLeft(
                    f"these lists name all {manifest.n_samples:,} samples of {folder}: nothing was "
                    "changed; delete the folder if you mean that"
                )
            if told.n_removed and not is_dry_run:
                replacement = _prepare(folder, manifest, found)
                begin(folder, replacement)
        finally:
            if not is_dry_run and pending(folder) is None:
                files.remove_tree(scratch)
    if replacement is not None:
        with _disk(folder, "run the same command again, which finishes the purge"):
            _finish(folder, replacement)
    return told


def find_in_shard(task: _Task) -> _Found:
    """What the lists name in one shard; unless it is a dry run, the shard without it in scratch."""
    shard = task.shard
    rows = shard.rows()
    masks = named(rows, task.removal)
    is_gone: Mask = np.logical_or.reduce([np.zeros(rows.num_rows, bool), *masks.values()])
    by = {rule: int(mask.sum()) for rule, mask in masks.items() if mask.any()}
    n_removed = int(is_gone.sum())
    entry = None
    if n_removed and not task.is_dry_run:
        task.scratch.mkdir(exist_ok=True)
        stem = task.scratch / shard.entry.name
        stem.with_suffix(_LINES).write_bytes(encode_purged(_lines(task, rows, masks)))
        if n_removed < rows.num_rows:
            target = ShardFiles(*(stem.with_suffix(f".{ending}") for ending in _ENDINGS))
            entry = rewrite_shard(shard, rows, ~is_gone, target)
    return _Found(shard.entry.name, by, n_removed, entry)


def _lines(task: _Task, rows: pa.Table, masks: dict[str, Mask]) -> Iterator[PurgedSample]:
    columns = rows.select(["key", "sha256", "phash"]).to_pylist()
    for number, row in enumerate(columns):
        by = [rule for rule, mask in masks.items() if mask[number]]
        if by:
            yield PurgedSample(shard=task.shard.entry.name, by=by, date=task.date, **row)


def _told(manifest: Manifest, found: dict[str, _Found]) -> FolderPurge:
    of = {entry.name: entry.samples for entry in manifest.shards}
    rules = dict.fromkeys(rule for one in found.values() for rule in one.by)
    return FolderPurge(
        n_samples=manifest.n_samples,
        n_shards=len(manifest.shards),
        n_removed=sum(one.n_removed for one in found.values()),
        by={rule: sum(one.by.get(rule, 0) for one in found.values()) for rule in rules},
        shards={
            name: (found[name].n_removed, n) for name, n in of.items() if found[name].n_removed
        },
    )


def _prepare(folder: Path, manifest: Manifest, found: dict[str, _Found]) -> Replacement:
    """Write into scratch what describes the folder after the purge; say what takes which place."""
    scratch = folder / SCRATCH
    touched = [entry.name for entry in manifest.shards if found[entry.name].n_removed]
    _append(folder, touched)
    digests: dict[str, str] = {}
    for name in touched:
        if entry := found[name].entry:
            sums = (entry.sha256, entry.idx_sha256, entry.parquet_sha256)
            digests |= zip((f"{name}.{ending}" for ending in _ENDINGS), sums, strict=True)
    for name in (PURGED, *_describe(folder, manifest, found)):
        files.sync_file(scratch / name)
        digests[name] = files.file_sha256(scratch / name)
    gone = [name for name in touched if found[name].entry is None]
    return Replacement(
        manifest_before=files.file_sha256(folder / MANIFEST),
        files=digests,
        gone=[f"{name}.{ending}" for name in gone for ending in _ENDINGS],
        is_of_run=is_known(folder, manifest),
    )


def _describe(folder: Path, manifest: Manifest, found: dict[str, _Found]) -> list[str]:
    """Write manifest, card and their kin into scratch; return their names, the manifest last."""
    scratch = folder / SCRATCH
    entries = [found[e.name].entry if found[e.name].n_removed else e for e in manifest.shards]
    shards = [entry for entry in entries if entry is not None]
    after = replace(
        manifest,
        shards=shards,
        n_samples=sum(entry.samples for entry in shards),
        purged=purged_list(scratch),
    )
    homes = {entry.name: scratch if found[entry.name].entry else folder for entry in shards}
    facts = survey(home / f"{name}.parquet" for name, home in homes.items())
    card = folder / CARD
    before = card.read_text("utf-8", "replace") if card.exists() else ""
    documents = {
        SIZES: encode_sizes(after),
        CARD: purged_card(after, facts, before),
        CROISSANT: encode_croissant(after),
        MANIFEST: encode_manifest(after),
    }
    for name, data in documents.items():
        (scratch / name).write_bytes(data)
    return list(documents)


def _append(folder: Path, touched: list[str]) -> None:
    """The list of what went so far, and of what goes now, in scratch."""
    scratch = folder / SCRATCH
    parts = [folder / PURGED, *(scratch / f"{name}{_LINES}" for name in touched)]
    with (scratch / PURGED).open("wb") as whole:
        for part in parts:
            if part.exists():
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole)


def _finish(folder: Path, replacement: Replacement) -> None:
    finish(folder, replacement, lambda: follow(folder) if replacement.is_of_run else None)


@contextmanager
def _disk(folder: Path, advice: str) -> Iterator[None]:
    """A full or read-only disk in one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(
                f"the disk of {folder} is full (a purge needs room for the shards that it writes "
                f"again): {advice}"
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StorageError(
                f"{folder} cannot be written ({error.strerror}): {advice}"
            ) from error
        raise
