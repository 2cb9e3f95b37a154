"""Where the bytes of shards come from: what a reader asks of a place, and the local folder.

Another place (a server, a bucket, tars of others) is another class with these methods; the order of
samples, their checks and their counting stay in the reader.

Tars are read by `pread`, not mapped, though a map is cheaper: where somebody cuts a tar short under
a running reader, that is a broken sample then, and not a SIGBUS that kills the process.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from webpairs_core.errors import ShardCorrupt
from webpairs_shards.format.index import Index, Records, read_index
from webpairs_shards.format.manifest import Manifest, ShardEntry
from webpairs_shards.stores.local_tars import LocalTars
from webpairs_shards.stores.place import Place

Read = Callable[[int, int, int], bytes]
"""Number of the shard, start and length in its tar → the bytes."""
HELD_RECORDS = 2**24
"""Records of indexes that a reader holds in memory at once, 64 bytes each: 1 GiB."""


class ShardStore(Protocol):
    """A place where shards lie. Numbers count the shards of the manifest from 0."""

    manifest: Manifest
    is_checked: bool
    """Whether `records` have the CRC-32 of each sample."""
    reads_ahead: bool
    """Whether it gains by being told early what will be read."""

    def address(self, number: int) -> str:
        """Path or URL of a tar, for sentences."""
        ...

    def records(self, number: int) -> Records:
        """Where the members of each sample lie. Raises ShardCorrupt where the index is missing or
        belongs to another tar."""
        ...

    def key(self, number: int, field: bytes) -> str:
        """The key of a sample whose record has `field` as its key."""
        ...

    def will_need(self, numbers: Sequence[int]) -> None:
        """Be told that `records` of these shards will be asked for."""
        ...

    def reading(self, places: Sequence[Place]) -> Read:
        """What gives the bytes of these samples, which it will be asked for in this order. A store
        may fetch them ahead, as long as somebody holds it. Calling it raises FileNotFoundError
        where a tar is gone; the bytes are fewer where it ends before."""
        ...

    def close(self) -> None:
        """Let go of all files; they are opened again when they are needed. A store can be pickled
        then: so it goes to the worker processes of a loader."""
        ...


class FolderStore:
    """A folder of this machine: manifest, tars and .idx files."""

    is_checked = True
    reads_ahead = False

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self._tars = LocalTars(self._tar)

    def address(self, number: int) -> str:
        """See `ShardStore`."""
        return str(self._tar(number))

    def records(self, number: int) -> Records:
        """See `ShardStore`."""
        entry = self.manifest.shards[number]
        path = self.folder / f"{entry.name}.idx"
        index = read_index(path)
        check_index(str(path), entry, index)
        # A copy: a map would die with the file under it.
        return np.array(index.records)

    def key(self, number: int, field: bytes) -> str:
        """See `ShardStore`."""
        del number
        return field.hex()

    def will_need(self, numbers: Sequence[int]) -> None:
        """See `ShardStore`: the system reads ahead in files."""

    def reading(self, places: Sequence[Place]) -> Read:
        """See `ShardStore`."""
        del places
        return self._tars.read

    def close(self) -> None:
        """See `ShardStore`."""
        self._tars.close()

    def _tar(self, number: int) -> Path:
        return self.folder / f"{self.manifest.shards[number].name}.tar"


def check_index(path: str, entry: ShardEntry, index: Index) -> None:
    """Raises ShardCorrupt when the index at `path` is not that of this shard."""
    if len(index.records) != entry.samples or index.tar_bytes != entry.bytes:
        raise ShardCorrupt(
            f"{path} belongs to another tar ({len(index.records):,} samples, "
            f"{index.tar_bytes:,} bytes; the manifest says {entry.samples:,} and "
            f"{entry.bytes:,}): copy it again, or make the shards again"
        )
