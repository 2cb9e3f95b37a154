"""What became of the rows of a part that is not finished yet, on disk as soon as it is known.

A part is committed as a whole, and its last row may be a slow one. Until then each finished row is
a record here: appended at once, so that a killed process loses nothing that it had finished, and
synced every few seconds, so that a power cut loses those. The next run reads the journal and asks
for the other rows only. What a crash left of a last record fails its checksum and is cut off.

A record is three u32, little-endian (bytes of the row, bytes of the picture, CRC-32 of both), the
row in MessagePack, the picture.
"""

import os
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from webpairs_core import files
from webpairs_crawler.images.answers import Fetched
from webpairs_shards.image.processed import Processed

_HEAD = struct.Struct("<III")


class Row(msgspec.Struct, frozen=True, array_like=True):
    """What became of one candidate. The bytes of both structs are left out: `data` is empty."""

    place: int
    """Its number in the part."""
    fetched: Fetched
    processed: Processed
    n_bytes: int
    """Received."""
    sha256: str
    """Of the bytes received; empty without any."""


class Journal:
    """The finished rows of one part. Opening it reads what an earlier run left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # `sync` is called from a thread of its own
        with files.disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)
            self.done = {row.place for row, _, _ in self._records()}
            self._file.truncate(self._end)
        self._encoder = msgspec.msgpack.Encoder()

    def append(self, row: Row, picture: bytes) -> None:
        """Write one finished row. Raises StorageError when the disk is full."""
        encoded = self._encoder.encode(row)
        head = _HEAD.pack(len(encoded), len(picture), zlib.crc32(picture, zlib.crc32(encoded)))
        record = head + encoded + picture
        with files.disk_errors():
            n_written = self._file.write(record)
            while n_written < len(record):  # the disk took a part: the next write says why
                n_written += self._file.write(record[n_written:])
        self.done.add(row.place)

    def sync(self) -> None:
        """Make all that was appended survive a power cut."""
        with self._lock:
            if not self._file.closed:
                files.on_step(f"fsync {self._path.name}")
                with files.disk_errors():
                    os.fsync(self._file.fileno())

    def records(self) -> dict[int, tuple[Row, bytes]]:
        """All rows by their place, each with its picture (empty for none)."""
        return {row.place: (row, self._picture(at, n)) for row, at, n in self._records()}

    def close(self) -> None:
        """Let go of the file; what was appended stays."""
        with self._lock:
            self._file.close()

    def remove(self) -> None:
        """The part is committed: the journal is not needed any more."""
        self.close()
        files.remove(self._path)

    def _records(self) -> Iterator[tuple[Row, int, int]]:
        """Each whole record: the row, where its picture begins and how long it is."""
        decoder = msgspec.msgpack.Decoder(Row)
        self._end = 0
        self._file.seek(0)
        with os.fdopen(os.dup(self._file.fileno()), "rb") as stream:
            while len(head := stream.read(_HEAD.size)) == _HEAD.size:
                n_row, n_picture, checksum = _HEAD.unpack(head)
                body = stream.read(n_row + n_picture)
                is_whole = len(body) == n_row + n_picture and zlib.crc32(body) == checksum
                if not is_whole or not n_row:  # zeros, as some disks leave them, check as well
                    return
                at = self._end + _HEAD.size + n_row
                self._end = at + n_picture
                yield decoder.decode(memoryview(body)[:n_row]), at, n_picture

    def _picture(self, at: int, n_bytes: int) -> bytes:
        return os.pread(self._file.fileno(), n_bytes, at) if n_bytes else b""
