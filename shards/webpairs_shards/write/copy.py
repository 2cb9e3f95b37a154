"""A finished folder of shards, copied to another place, whole or not at all.

Tars go first, manifest.json last: a folder is a dataset when its manifest is there. What lies at
the other side already is kept, so a copy that was killed goes on. Each file is held against the
manifest's SHA-256 while it is read, and takes its name only when all of it was right.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event

import msgspec

from webpairs_core.errors import RecipeError, ShardCorrupt, ShardError
from webpairs_core.progress import Progress
from webpairs_shards.format.layout import (
    CARD,
    CROISSANT,
    MANIFEST,
    PURGE_JOURNAL,
    PURGED,
    SIZES,
    is_file_of_a_dataset,
)
from webpairs_shards.format.manifest import Manifest, decode_manifest, encode_sizes
from webpairs_shards.write.places.find import source_at, target_at
from webpairs_shards.write.places.local import LocalPlace
from webpairs_shards.write.places.place import File, Source, Target

_DOCUMENT_BLOCK_BYTES = 1 << 20


class Copied(msgspec.Struct, frozen=True):
    """What a copy did."""

    n_files: int
    """Of the dataset."""
    n_copied: int
    """The others were there."""
    n_bytes: int
    """Of those copied."""
    n_removed: int
    """Files of an older dataset."""


class _Wanted(msgspec.Struct, frozen=True):
    name: str
    sha256: str
    n_bytes: int = 0
    """By the manifest; 0 when it does not say."""
    data: bytes | None = None
    """Of a document: small, and its digest stands nowhere."""


def copy(
    source_url: str, target_url: str, *, workers: int = 4, is_replacing: bool = False
) -> Copied:
    """Copy the dataset at `source_url` to `target_url`, `workers` files at a time.

    Either is a folder of this machine or a URL that fsspec opens. Raises RecipeError when the
    target holds another dataset and `is_replacing` is false, ShardCorrupt when a file of the source
    is not what its manifest says, StorageError when a place fails.
    """
    stop = Event()
    source, target = source_at(source_url, stop), target_at(target_url, stop)
    if _are_one(source, target):
        raise RecipeError(f"{source_url} cannot be copied onto itself: name another place")
    manifest, documents = _documents(source)
    shards = _shard_files(manifest)
    wanted = [*shards, *documents]
    with target.hold():
        strays = _strays(target, wanted)
        if not is_replacing:
            _refuse_to_replace(target, wanted, strays)
        elif _small_file(target, MANIFEST) != documents[-1].data:
            target.remove(MANIFEST)
        target.sweep()
        job = _Job(source, target, stop)
        sizes = job.copy_all(shards, workers)
        sizes += [job.copy_one(one) for one in documents]
        for name in strays:
            target.remove(name)
    copied = [size for size in sizes if size is not None]
    return Copied(len(wanted), len(copied), sum(copied), len(strays))


class _Job:
    """The files of one copy."""

    def __init__(self, source: Source, target: Target, stop: Event) -> None:
        self._source = source
        self._target = target
        self._stop = stop

    def copy_all(self, wanted: list[_Wanted], workers: int) -> list[int | None]:
        """`copy_one` for each, `workers` at a time. The first that fails stops the others."""
        sizes: list[int | None] = []
        with (
            Progress("copy", "files", len(wanted)) as progress,
            ThreadPoolExecutor(workers, thread_name_prefix="copy") as pool,
        ):
            futures = [pool.submit(self.copy_one, one) for one in wanted]
            try:
                for future in as_completed(futures):
                    sizes.append(future.result())
                    progress.add(1, f"{sum(size or 0 for size in sizes) / 1e9:.1f} GB")
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return sizes

    def copy_one(self, wanted: _Wanted) -> int | None:
        """Copy a file unless it is there; return its bytes, None when it was there."""
        n_bytes = wanted.n_bytes
        if wanted.data is None:
            n_bytes = self._size(wanted)
        file = File(wanted.name, wanted.sha256, n_bytes)
        if self._target.is_same(file):
            return None
        n_block = self._target.block_bytes(file)
        self._target.write(file, lambda: self._checked(wanted, n_block))
        return n_bytes

    def _size(self, wanted: _Wanted) -> int:
        size = self._source.size(wanted.name)
        if size is None:
            raise _damaged(self._source, wanted.name, "is missing")
        if size and wanted.n_bytes and size != wanted.n_bytes:
            told = f"has {size:,} bytes, the manifest says {wanted.n_bytes:,}"
            raise _damaged(self._source, wanted.name, told)
        return size or wanted.n_bytes

    def _checked(self, wanted: _Wanted, n_block: int) -> Iterator[bytes]:
        """The blocks of a file. Ends with ShardCorrupt when they were not those of the manifest:
        the target lets nobody see a file before its blocks have come to their end."""
        if wanted.data is not None:
            yield wanted.data
            return
        digest = hashlib.sha256()
        for block in self._source.blocks(wanted.name, n_block):
            digest.update(block)
            yield block
        if digest.hexdigest() != wanted.sha256:
            raise _damaged(self._source, wanted.name, "is not what its manifest says (SHA-256)")


def _documents(source: Source) -> tuple[Manifest, list[_Wanted]]:
    """The manifest, and all that is no shard; the manifest itself is the last of them."""
    if source.size(PURGE_JOURNAL) is not None:
        where = source.address("").rstrip("/")
        raise ShardError(f"{where}: a purge is at work or was interrupted: finish it first")
    found: list[_Wanted] = []
    for name in (MANIFEST, SIZES, CARD, CROISSANT):
        data = _small_file(source, name)
        if data is None and name == MANIFEST:
            where = source.address("").rstrip("/")
            raise ShardError(
                f"{where} holds no {MANIFEST}: give a folder of shards that is finished, e.g. "
                "out/NAME/shards"
            )
        if data is None:
            raise _damaged(source, name, "is missing")
        found.append(_Wanted(name, hashlib.sha256(data).hexdigest(), len(data), data))
    first, *others = found
    assert first.data is not None
    manifest = decode_manifest(source.address(MANIFEST), first.data)
    if others[0].data != encode_sizes(manifest):
        raise _damaged(source, SIZES, "counts other samples than the manifest")
    if not isinstance(manifest.purged, msgspec.UnsetType):
        others.append(_Wanted(PURGED, manifest.purged.sha256))
    return manifest, [*others, first]


def _shard_files(manifest: Manifest) -> list[_Wanted]:
    """Tars, then indices, then tables: what is useless without another file comes after it."""
    tars = [_Wanted(f"{one.name}.tar", one.sha256, one.bytes) for one in manifest.shards]
    indices = [_Wanted(f"{one.name}.idx", one.idx_sha256) for one in manifest.shards]
    tables = [_Wanted(f"{one.name}.parquet", one.parquet_sha256) for one in manifest.shards]
    return [*tars, *indices, *tables]


def _strays(target: Target, wanted: list[_Wanted]) -> list[str]:
    """Files of a dataset that is not this one."""
    ours = {one.name for one in wanted}
    return [name for name in target.names() if is_file_of_a_dataset(name) and name not in ours]


def _refuse_to_replace(target: Target, wanted: list[_Wanted], strays: list[str]) -> None:
    """Raises RecipeError when the target holds something else. A shard that differs is not: its
    name is ours, and without a manifest nobody reads it."""
    documents = {one.name: one.data for one in wanted if one.data is not None}
    found = {name: _small_file(target, name) for name in (MANIFEST, SIZES, CARD, CROISSANT)}
    others = [name for name, data in found.items() if data not in (None, documents[name])]
    if found[MANIFEST] == documents[MANIFEST]:
        others = []  # a document that was spoilt there is mended
    others += strays
    if others:
        raise RecipeError(
            f"{target.address(others[0])} belongs to another dataset: give --replace, or copy to "
            "another place"
        )


def _small_file(place: Source, name: str) -> bytes | None:
    if place.size(name) is None:
        return None
    return b"".join(place.blocks(name, _DOCUMENT_BLOCK_BYTES))


def _are_one(source: Source, target: Target) -> bool:
    if isinstance(source, LocalPlace) and isinstance(target, LocalPlace):
        return source.folder.resolve() == target.folder.resolve()
    return source.address("") == target.address("")


def _damaged(source: Source, name: str, what: str) -> ShardCorrupt:
    return ShardCorrupt(
        f"{source.address(name)} {what}: make the shards again, or copy them from where they are "
        "whole; nothing of it was copied"
    )
