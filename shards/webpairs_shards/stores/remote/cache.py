"""Samples that were read from afar, kept on this machine for all its processes, bounded in bytes.

A shard is a sparse file, as long as the tar, named by the SHA-256 of the tar: each sample that
comes is written to its place. Whether it is there is seen by its checksum, as with any sample. So
nothing has to be downloaded that nobody reads, a process may be killed at any moment, and no two
processes have to agree on who writes what: they write the same bytes.

A shard takes up its whole length from the beginning, so the bound holds when all of it has come.
Shards of datasets that somebody reads stay; of others the ones used longest ago make room. When
there is none, samples are read from afar each time: in a shuffled order each shard is as needed as
any other, and to push one out for another would keep none of them (see docs/adr/0023).

::

    FOLDER/lock              held by whoever changes which files there are
    FOLDER/tars/SHA-256      a shard
    FOLDER/indexes/SHA-256   a whole .idx; SHA-256.part while it comes, locked by who downloads it
    FOLDER/readers/DIGEST    names of all files of a dataset; locked (shared) by all who read it
"""

import fcntl
import hashlib
import logging
import os
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from webpairs_core.keys import digest

log = logging.getLogger(__name__)

_BLOCK_BYTES = 4096
"""Files are counted in such blocks, as file systems give them out."""
_OPEN_TARS = 256
_NAME = re.compile(r"[0-9a-f]{64}(\.part)?")


class NodeCache:
    """See the module. Whatever the disk refuses switches the cache off for this process, with one
    warning: reading goes on without it."""

    def __init__(self, folder: Path, max_bytes: int, names: Sequence[str]) -> None:
        """`names`: SHA-256 of all files that the reader may keep here."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._names = names
        self._lease: int | None = None
        self._tars: OrderedDict[str, int] = OrderedDict()
        self._without: set[str] = set()
        """Shards for which there was no room; asked for again after `close`."""
        self._is_off = False

    def read(self, sha256: str, tar_bytes: int, start: int, n_bytes: int) -> bytes:
        """Bytes of a shard as they lie here; what has never been written are zeros, or nothing."""
        with self._disk():
            tar = self._tar(sha256, tar_bytes)
            if tar is not None:
                return os.pread(tar, n_bytes, start)
        return b""

    def write(self, sha256: str, tar_bytes: int, start: int, data: bytes) -> None:
        """Keep bytes of a shard."""
        with self._disk():
            tar = self._tar(sha256, tar_bytes)
            if tar is not None:
                os.pwrite(tar, data, start)

    def index(self, sha256: str) -> bytes | None:
        """A whole .idx, held against its SHA-256; None when it is not here."""
        if self._is_off:
            return None
        path = self._folder / "indexes" / sha256
        with self._disk(), suppress(FileNotFoundError):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == sha256:
                os.utime(path)
                return data
            path.unlink()
        return None

    def claim_index(self, sha256: str, n_bytes: int) -> "Claim":
        """The right to download an .idx; one process has it at a time. Close it."""
        claim = Claim()
        if not self._is_off:
            with self._disk(), self._locked():
                claim = self._claimed(self._folder / "indexes" / f"{sha256}.part", n_bytes)
        return claim

    def keep_index(self, part: int, path: Path, data: bytes) -> None:
        """What `Claim.finish` does."""
        with self._disk(), self._locked():
            os.pwrite(part, data, 0)
            os.fsync(part)
            path.rename(path.with_suffix(""))

    def close(self) -> None:
        """Let go of all files and of the dataset; they are opened again when they are needed."""
        for tar in self._tars.values():
            with suppress(OSError):
                os.utime(tar)
            os.close(tar)
        self._tars.clear()
        self._without.clear()
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None

    def _tar(self, sha256: str, tar_bytes: int) -> int | None:
        if self._is_off or sha256 in self._without:
            return None
        tar = self._tars.get(sha256)
        if tar is not None:
            self._tars.move_to_end(sha256)
            return tar
        tar = self._opened(sha256, tar_bytes)
        if tar is None:
            if not self._without:
                log.info("%s has no room for all shards: some come each time anew", self._folder)
            self._without.add(sha256)
            return None
        if len(self._tars) == _OPEN_TARS:
            os.close(self._tars.popitem(last=False)[1])
        self._tars[sha256] = tar
        return tar

    def _opened(self, sha256: str, tar_bytes: int) -> int | None:
        path = self._folder / "tars" / sha256
        with self._locked():
            is_there = path.exists() and path.stat().st_size == tar_bytes
            if not is_there and not self._make_room(tar_bytes):
                return None
            tar = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                if not is_there:
                    os.ftruncate(tar, tar_bytes)
                os.utime(tar)
            except OSError:
                os.close(tar)
                raise
        return tar

    def _claimed(self, path: Path, n_bytes: int) -> "Claim":
        with ExitStack() as undo:
            part = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            undo.callback(os.close, part)
            if not _try_lock(part):
                return Claim(is_elsewhere=True)
            if path.with_suffix("").exists():  # it has come since this process looked
                path.unlink()
                return Claim(is_elsewhere=True)
            if not self._make_room(n_bytes):
                path.unlink(missing_ok=True)
                return Claim()
            os.ftruncate(part, n_bytes)
            undo.pop_all()
            return Claim(self, path, part)

    def _make_room(self, n_bytes: int) -> bool:
        """Whether another file of this size fits, after those went that nobody reads."""
        files = []
        for path in (*self._folder.glob("tars/*"), *self._folder.glob("indexes/*")):
            # A damaged index goes without the lock.
            with suppress(FileNotFoundError):
                facts = path.stat()
                files.append((facts.st_mtime_ns, path, _blocks(facts.st_size)))
        n_over = sum(size for *_, size in files) + _blocks(n_bytes) - self._max_bytes
        if n_over <= 0:
            return True
        kept = self._read_by_somebody()
        for _, path, size in sorted(files):
            if path.name in kept or not _NAME.fullmatch(path.name):
                continue
            if path.suffix == ".part" and not _is_left_over(path):
                continue
            path.unlink(missing_ok=True)
            n_over -= size
            if n_over <= 0:
                return True
        return False

    def _read_by_somebody(self) -> set[str]:
        names: set[str] = set()
        for path in self._folder.glob("readers/*"):
            with path.open("rb") as file:
                if _NAME.fullmatch(path.name) and not _try_lock(file.fileno()):
                    names.update(file.read().decode().split())
                else:
                    path.unlink()
        return names

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all processes; the dataset is leased before anything else."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._lease is None:
                self._lease = self._leased()
            yield
        finally:
            os.close(lock)

    def _leased(self) -> int:
        for name in ("tars", "indexes", "readers"):
            (self._folder / name).mkdir(exist_ok=True)
        path = self._folder / "readers" / digest(list(self._names))
        text = "".join(f"{name}\n" for name in self._names).encode()
        if not path.exists() or path.read_bytes() != text:
            # A new file: whoever reads holds the old one, with the same names and cut short.
            scratch = path.with_suffix(".new")
            scratch.write_bytes(text)
            scratch.replace(path)
        lease = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lease, fcntl.LOCK_SH)
        return lease

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._is_off:
                log.warning("the cache %s is not used any more: %s", self._folder, error)
            self._is_off = True


class Claim:
    """What `claim_index` gave: the right to download and keep an .idx, or only to download it where
    there is no room for it."""

    def __init__(
        self,
        cache: NodeCache | None = None,
        path: Path | None = None,
        part: int | None = None,
        *,
        is_elsewhere: bool = False,
    ) -> None:
        self.is_elsewhere = is_elsewhere
        """Another process downloads it, or has just done so: look again."""
        self._cache, self._path, self._part = cache, path, part

    @property
    def owns(self) -> bool:
        """Whether what is downloaded can be kept."""
        return self._part is not None

    def finish(self, data: bytes) -> None:
        """Keep what was downloaded."""
        if self._cache is None or self._path is None or self._part is None:
            return
        self._cache.keep_index(self._part, self._path, data)

    def close(self) -> None:
        """Give the right back."""
        if self._part is not None:
            os.close(self._part)
            self._part = None


def _blocks(n_bytes: int) -> int:
    return -(-n_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_left_over(part: Path) -> bool:
    """Whether who downloaded it is gone."""
    with part.open("rb") as file:
        return _try_lock(file.fileno())
