"""WebDataset tars of other people, with nothing beside them: walked when they are opened, then read
as our own are. Checksums there are none; nothing is written beside them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from webpairs_core.errors import ShardCorrupt
from webpairs_core.keys import digest
from webpairs_shards.format.index import RECORD, Records
from webpairs_shards.format.manifest import Manifest, ShardEntry
from webpairs_shards.read.local_tars import LocalTars
from webpairs_shards.read.walk import Walk, key_of, place_of


class ForeignStore:
    """Tars with the records that walks found: 64 bytes a sample in memory, or mapped from the
    index cache."""

    is_checked = False

    def __init__(self, tars: Sequence[Path], walks: Sequence[Walk], name: str) -> None:
        self._paths = tars
        self._records = [each.records for each in walks]
        self._tars = LocalTars(self._path)
        self._sizes = [tar.stat().st_size for tar in tars]
        names = _names(tars)
        entries = [
            ShardEntry(
                name=each,
                samples=len(found.records),
                bytes=size,
                # There is none of the bytes: this one is of all that the walk saw.
                sha256=digest([size, found.digest()]),
                idx_sha256="",
                parquet_sha256="",
            )
            for each, found, size in zip(names, walks, self._sizes, strict=True)
        ]
        self.manifest = Manifest(
            name=name,
            image_format=walks[0].images[0],
            n_samples=sum(entry.samples for entry in entries),
            shards=entries,
            recipe_digest="",
            recipe={},
        )

    def __getstate__(self) -> dict[str, object]:
        # Mapped records are mapped again by whoever gets this store; a copy would be gigabytes.
        kept = [
            (each.filename, each.offset, len(each)) if isinstance(each, np.memmap) else each
            for each in self._records
        ]
        return self.__dict__ | {"_records": kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._records = [
            np.memmap(each[0], RECORD, "r", each[1], (each[2],))
            if isinstance(each, tuple)
            else each
            for each in state["_records"]
        ]

    def address(self, number: int) -> str:
        """See `ShardStore`."""
        return str(self._paths[number])

    def records(self, number: int) -> Records:
        """See `ShardStore`."""
        return self._records[number]

    def key(self, number: int, field: bytes) -> str:
        """See `ShardStore`. Where the tar is gone or changed, a long key is `(byte PLACE)`."""

        def read(start: int, n_bytes: int) -> bytes:
            return self._tars.read(number, start, n_bytes)

        try:
            return key_of(field, read, self._sizes[number])
        except (ShardCorrupt, FileNotFoundError):
            return f"(byte {place_of(field)})"

    def read(self, number: int, start: int, n_bytes: int) -> bytes:
        """See `ShardStore`."""
        return self._tars.read(number, start, n_bytes)

    def close(self) -> None:
        """See `ShardStore`."""
        self._tars.close()

    def _path(self, number: int) -> Path:
        return self._paths[number]


def _names(tars: Sequence[Path]) -> list[str]:
    """Names for counting what is broken: file names without ending; where two are equal, paths
    below the folder that all lie in. A dataset that was moved keeps them."""
    stems = [tar.name.removesuffix(".tar") for tar in tars]
    if len(set(stems)) == len(stems):
        return stems
    whole = [tar.absolute() for tar in tars]
    above = os.path.commonpath([tar.parent for tar in whole])
    return [str(tar.relative_to(above)).removesuffix(".tar") for tar in whole]
