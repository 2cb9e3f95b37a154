"""What walks of tars found, kept in a folder that the user names, so that a tar is walked once.

One file for each tar: a magic, the length of a JSON head, the head (`_Head`), then the records. It
holds for as long as path, size, time of change, and the first and the last header of the tar are
what they were; whatever else is wrong with it, the tar is walked again.
"""

import os
import struct
import threading
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from webpairs_core.errors import ShardCorrupt, StorageError
from webpairs_shards.format.index import RECORD, Records
from webpairs_shards.stores.foreign.hop import BLOCK, Read
from webpairs_shards.stores.foreign.walk import Endings, Walk, walk

_MAGIC = b"wpwalk01"
_START = struct.Struct("<8sQ")


class _Head(msgspec.Struct, frozen=True):
    path: str
    n_bytes: int
    mtime_ns: int
    endings: Endings
    images: tuple[str, ...]
    first: tuple[str, ...]
    digest: str
    """Of the records."""
    edge: str
    """64 hex, of the first and the last header."""


class KeptRecords(msgspec.Struct, frozen=True):
    """Records of a tar that lie in a file here: they are read when they are needed."""

    path: Path
    offset: int
    n_samples: int

    def load(self) -> Records:
        """Raises ShardCorrupt when the file went or is another since."""
        try:
            records = np.fromfile(self.path, RECORD, offset=self.offset)
        except FileNotFoundError:
            records = np.empty(0, RECORD)
        if len(records) != self.n_samples:
            raise ShardCorrupt(f"{self.path} of the index cache is gone: open the tars again")
        return records


class IndexCache:
    """A folder of walks of tars with these endings; several processes may share it."""

    def __init__(self, folder: Path, endings: Endings) -> None:
        self._folder = folder
        self._endings = endings

    def walk(self, tar: Path, read: Read) -> tuple[Walk, KeptRecords]:
        """What is in `tar`, from here if it can be, and where its records are kept.

        Raises ShardCorrupt as `walk.walk`, StorageError where the folder cannot be written.
        """
        kept = self._kept(tar)
        found = self._load(kept, tar, read)
        if found is None:
            walked = walk(read, tar.stat().st_size, self._endings)
            found = walked, self._save(kept, tar, walked, read)
        walked, n_head = found
        return walked, KeptRecords(kept, _START.size + n_head, len(walked.records))

    def _load(self, kept: Path, tar: Path, read: Read) -> tuple[Walk, int] | None:
        """A walk that is kept, and the bytes of its head."""
        try:
            content = kept.read_bytes()
            magic, n_head = _START.unpack_from(content)
            start = _START.size + n_head
            head = msgspec.json.decode(content[_START.size : start], type=_Head)
            walked = Walk(np.frombuffer(content[start:], RECORD), head.images, head.first)
        except (
            FileNotFoundError,
            NotADirectoryError,
            ValueError,
            struct.error,
            msgspec.DecodeError,
        ):
            return None
        # The head has a digest of the records too.
        is_sound = magic == _MAGIC and head == self._head(tar, walked, read)
        return (walked, n_head) if is_sound else None

    def _save(self, kept: Path, tar: Path, found: Walk, read: Read) -> int:
        head = msgspec.json.encode(self._head(tar, found, read))
        scratch = kept.with_name(f".{kept.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                file.write(_START.pack(_MAGIC, len(head)) + head)
                file.write(found.records.data)
            # No fsync: what a power cut damages has another digest, and is made again.
            scratch.replace(kept)
        except OSError as error:
            with suppress(OSError):
                scratch.unlink()
            raise StorageError(
                f"cannot keep the index of {tar} in {self._folder} ({error.strerror}): name "
                "another index_cache, or none"
            ) from error
        return len(head)

    def _kept(self, tar: Path) -> Path:
        name = os.fsencode(tar.resolve()) + msgspec.json.encode(self._endings)
        return self._folder / f"{sha256(name).hexdigest()[:32]}.wpidx"

    def _head(self, tar: Path, found: Walk, read: Read) -> _Head:
        stat = tar.stat()
        edge = sha256(read(0, BLOCK) + read(_last_header(found.records), BLOCK))
        return _Head(
            path=os.fsencode(tar.resolve()).decode("utf-8", "backslashreplace"),
            n_bytes=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            endings=self._endings,
            images=found.images,
            first=found.first,
            digest=found.digest(),
            edge=edge.hexdigest(),
        )


def _last_header(records: Records) -> int:
    last = records[-1]
    places = (int(last[f"{part}_offset"]) for part in ("image", "json", "text"))
    return max(places) - BLOCK
