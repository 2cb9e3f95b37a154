"""A shard without some of its samples: the bytes of the others as they were, in the same order.
They are the bytes that `writer.py` would have made of the samples that are left.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webpairs_core import files
from webpairs_core.errors import ShardCorrupt
from webpairs_core.schema import SHARD, read_table, write_part
from webpairs_shards.format.index import Records, read_index, write_index
from webpairs_shards.format.manifest import ShardEntry
from webpairs_shards.write.writer import ShardFiles

Mask = npt.NDArray[np.bool_]

_BLOCK, _RECORD = 512, 10_240
"""POSIX.1-2017 pax, ustar: members fill blocks; two empty blocks end a tar, and writers fill its
last record of 20 blocks with zeros."""
_CHUNK_BYTES = 1 << 20


class Shard(msgspec.Struct, frozen=True):
    """A finished shard, where it lies and what its manifest says about it."""

    folder: Path
    entry: ShardEntry
    image_format: str

    def path(self, ending: str) -> Path:
        """One of its files."""
        return self.folder / f"{self.entry.name}.{ending}"

    def damaged(self, ending: str) -> ShardCorrupt:
        """The error of a file that is not the manifest's."""
        return ShardCorrupt(
            f"{self.path(ending)} is not what the manifest says: `webpairs verify {self.folder}` "
            "tells what is damaged; copy it again before anything is removed"
        )

    def rows(self) -> pa.Table:
        """Its Parquet sidecar. Raises ShardCorrupt when that is damaged."""
        self._check("parquet", self.entry.parquet_sha256)
        return read_table(self.path("parquet"), SHARD)

    def records(self) -> Records:
        """Where its samples lie. Raises ShardCorrupt when the index is damaged."""
        self._check("idx", self.entry.idx_sha256)
        return np.array(read_index(self.path("idx")).records)

    def _check(self, ending: str, sha256: str) -> None:
        path = self.path(ending)
        if not path.exists() or files.file_sha256(path) != sha256:
            raise self.damaged(ending)


def rewrite_shard(shard: Shard, rows: pa.Table, is_kept: Mask, target: ShardFiles) -> ShardEntry:
    """Write the kept samples of a shard, whose sidecar is `rows`, to new files; return their entry
    of the manifest. The files are on disk when this returns.

    Raises ShardCorrupt when a byte of the old shard is not what was written: a new manifest must
    not sign what the old one did not.
    """
    records = shard.records()
    if [key.hex() for key in records["key"].tolist()] != rows["key"].to_pylist():
        raise shard.damaged("parquet")
    if not shard.path("tar").exists():
        raise shard.damaged("tar")
    digest = _copy(shard.path("tar"), target.tar, list(_spans(records, is_kept)))
    if digest != shard.entry.sha256:
        raise shard.damaged("tar")
    kept = rows.filter(pa.array(is_kept))
    write_part(target.parquet, [kept], SHARD)
    n_samples = write_index(target.idx, target.tar, shard.image_format)
    after, before = read_index(target.idx).records, records[is_kept]
    same = ("key", "image_bytes", "json_bytes", "text_bytes", "crc32")
    if len(after) != len(before) or any((after[name] != before[name]).any() for name in same):
        raise shard.damaged("idx")
    for path in (target.tar, target.idx, target.parquet):
        files.sync_file(path)
    return ShardEntry(
        name=shard.entry.name,
        samples=n_samples,
        bytes=target.tar.stat().st_size,
        sha256=files.file_sha256(target.tar),
        idx_sha256=files.file_sha256(target.idx),
        parquet_sha256=files.file_sha256(target.parquet),
    )


def _spans(records: Records, is_kept: Mask) -> Iterator[tuple[int, int]]:
    """Where runs of kept samples begin and end in the tar, in order."""
    parts = ("image", "json", "text")
    starts = np.minimum.reduce([records[f"{part}_offset"] for part in parts]) - _BLOCK
    ends = [records[f"{part}_offset"] + records[f"{part}_bytes"] for part in parts]
    last = -(-int(np.maximum.reduce(ends).max(initial=0)) // _BLOCK) * _BLOCK
    edges = [*starts.tolist(), last]
    changes = np.flatnonzero(np.diff(is_kept.astype(np.int8), prepend=0, append=0))
    for first, stop in changes.reshape(-1, 2).tolist():
        yield edges[first], edges[stop]


def _copy(tar: Path, target: Path, spans: list[tuple[int, int]]) -> str:
    """Copy these parts of a tar and end the new one; return the SHA-256 of the old one, whole."""
    digest = hashlib.sha256()
    with tar.open("rb") as source, target.open("wb") as copy:
        at = 0
        for start, stop in spans:
            for chunk in _chunks(source, start - at):
                digest.update(chunk)
            for chunk in _chunks(source, stop - start):
                digest.update(chunk)
                copy.write(chunk)
            at = stop
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
        n_bytes = copy.tell() + 2 * _BLOCK
        copy.write(bytes(2 * _BLOCK + -n_bytes % _RECORD))
    return digest.hexdigest()


def _chunks(source: BinaryIO, n_bytes: int) -> Iterator[bytes]:
    while n_bytes and (chunk := source.read(min(n_bytes, _CHUNK_BYTES))):
        n_bytes -= len(chunk)
        yield chunk
