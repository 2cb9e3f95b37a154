"""WebDataset tars of other people, with nothing beside them: walked when they are opened, then read
as our own are. Checksums there are none; nothing is written beside them."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from webpairs_core.errors import ShardCorrupt
from webpairs_shards.format.index import Records
from webpairs_shards.format.manifest import Manifest, ShardEntry
from webpairs_shards.stores.foreign.index_cache import KeptRecords
from webpairs_shards.stores.foreign.walk import key_of, place_of
from webpairs_shards.stores.local_tars import LocalTars
from webpairs_shards.stores.place import Place
from webpairs_shards.stores.store import Read


class ForeignTar(msgspec.Struct, frozen=True):
    """One of them."""

    path: Path
    n_bytes: int
    n_samples: int
    images: tuple[str, ...]
    first: tuple[str, ...]
    """See `Walk`, as the field above."""
    digest: str
    """64 hex, of all that the walk saw."""
    records: Records | KeptRecords


class ForeignStore:
    """Tars with the records that walks found: 64 bytes a sample in memory, or in the index
    cache."""

    is_checked = False
    reads_ahead = False

    def __init__(self, tars: Sequence[ForeignTar], name: str) -> None:
        self._shards = tars
        self._tars = LocalTars(self._path)
        entries = [
            ShardEntry(
                name=each,
                samples=tar.n_samples,
                bytes=tar.n_bytes,
                # Of the bytes there is none.
                sha256=tar.digest,
                idx_sha256="",
                parquet_sha256="",
            )
            for each, tar in zip(_names([tar.path for tar in tars]), tars, strict=True)
        ]
        self.manifest = Manifest(
            name=name,
            image_format=tars[0].images[0],
            n_samples=sum(entry.samples for entry in entries),
            shards=entries,
            recipe_digest="",
            recipe={},
        )

    def address(self, number: int) -> str:
        """See `ShardStore`."""
        return str(self._path(number))

    def records(self, number: int) -> Records:
        """See `ShardStore`."""
        records = self._shards[number].records
        return records.load() if isinstance(records, KeptRecords) else records

    def key(self, number: int, field: bytes) -> str:
        """See `ShardStore`. Where the tar is gone or changed, a long key is `(byte PLACE)`."""

        def read(start: int, n_bytes: int) -> bytes:
            return self._tars.read(number, start, n_bytes)

        try:
            return key_of(field, read, self._shards[number].n_bytes)
        except (ShardCorrupt, FileNotFoundError):
            return f"(byte {place_of(field)})"

    def will_need(self, numbers: Sequence[int]) -> None:
        """See `ShardStore`."""

    def reading(self, places: Sequence[Place]) -> Read:
        """See `ShardStore`."""
        del places
        return self._tars.read

    def close(self) -> None:
        """See `ShardStore`."""
        self._tars.close()

    def _path(self, number: int) -> Path:
        return self._shards[number].path


def _names(tars: Sequence[Path]) -> list[str]:
    """Names for counting what is broken: file names without ending; where two are equal, paths
    below the folder that all lie in. A dataset that was moved keeps them."""
    stems = [tar.name.removesuffix(".tar") for tar in tars]
    if len(set(stems)) == len(stems):
        return stems
    whole = [tar.absolute() for tar in tars]
    above = os.path.commonpath([tar.parent for tar in whole])
    return [str(tar.relative_to(above)).removesuffix(".tar") for tar in whole]
