"""A folder of this machine: files take their names by a rename, when they are complete and on
disk."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from webpairs_core import files
from webpairs_core.errors import StorageError
from webpairs_shards.write.places.place import TEMPORARY, File, Stopped

_BLOCK_BYTES = 4 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.ENOTSUP)
"""What a file system that cannot lock a folder answers (NFS)."""


class LocalPlace:
    """See `Target`."""

    def __init__(self, folder: Path, stop: Event) -> None:
        self.folder = folder
        self._stop = stop

    def address(self, name: str) -> str:
        """See `Source`."""
        return str(self.folder / name)

    def size(self, name: str) -> int | None:
        """See `Source`."""
        try:
            return (self.folder / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def blocks(self, name: str, n_bytes: int) -> Iterator[bytes]:
        """See `Source`."""
        path = self.folder / name
        with self._in_words("read"), path.open("rb", buffering=0) as file:
            while block := _full_block(file.read, n_bytes):
                if self._stop.is_set():
                    raise Stopped
                yield block

    @contextmanager
    def hold(self) -> Iterator[None]:
        """See `Target`. The lock is on the folder itself, so none is left lying in a dataset."""
        with self._in_words("write"):
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def sweep(self) -> None:
        """See `Target`."""
        for path in self.folder.glob(f".*{TEMPORARY}"):
            files.remove(path)

    def names(self) -> list[str]:
        """See `Target`."""
        return sorted(path.name for path in self.folder.iterdir())

    def is_same(self, file: File) -> bool:
        """See `Target`."""
        size = self.size(file.name)
        if size is None or (file.n_bytes and size != file.n_bytes):
            return False
        with self._in_words("read"):
            return files.file_sha256(self.folder / file.name) == file.sha256

    def block_bytes(self, _file: File) -> int:
        """See `Target`."""
        return _BLOCK_BYTES

    def write(self, file: File, read: Callable[[], Iterator[bytes]]) -> None:
        """See `Target`."""
        temporary = self.folder / f".{file.name}{TEMPORARY}"
        try:
            with self._in_words("write"):
                with temporary.open("wb") as stream:
                    for block in read():
                        stream.write(block)
                files.sync_file(temporary)
                files.rename(temporary, self.folder / file.name)
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """See `Target`."""
        with self._in_words("write"):
            files.remove(self.folder / name)
            files.sync_folder(self.folder)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"another webpairs command is copying to {self.folder}: wait for it"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise

    @contextmanager
    def _in_words(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise StorageError(
                    f"the disk of {self.folder} is full: free some space and run the same command "
                    "again; files that are there are kept"
                ) from error
            raise StorageError(
                f"cannot {verb} {error.filename or self.folder}: {error.strerror or error}"
            ) from error


def _full_block(read: Callable[[int], bytes | None], n_bytes: int) -> bytes:
    """One read may give less than was asked for (2 GiB at most, or a network's file system)."""
    block = read(n_bytes) or b""
    while 0 < len(block) < n_bytes and (more := read(n_bytes - len(block))):
        block += more
    return block
