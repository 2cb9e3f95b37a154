"""A folder behind a URL, by way of fsspec: what all such places can do.

A file is written under a temporary name and moved. S3 has a better way: see `s3.py`.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any

from webpairs_core import __version__, files
from webpairs_core.errors import StorageError
from webpairs_shards.write.places.patience import Patience, broken, is_missing
from webpairs_shards.write.places.place import TEMPORARY, File

_BLOCK_BYTES = 8 << 20
_SILENCE_S = 60


def web_options() -> dict[str, Any]:
    """For fsspec's http: a file may take hours, only silence is a fault; bytes come as they are."""
    import aiohttp

    return {
        "client_kwargs": {
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=_SILENCE_S),
            "headers": {"User-Agent": f"webpairs/{__version__}", "Accept-Encoding": "identity"},
            "auto_decompress": False,
            "trust_env": True,
        }
    }


class RemotePlace:
    """See `Target`. `root` is what `system`, a file system of fsspec, calls the folder at `url`."""

    def __init__(self, url: str, system: Any, root: str, stop: Event) -> None:
        self.url = url.rstrip("/")
        self.system = system
        self.root = root.rstrip("/")
        self.patiently = Patience(stop)

    def address(self, name: str) -> str:
        """See `Source`."""
        return f"{self.url}/{name}"

    def path(self, name: str) -> str:
        """What the file system calls a file."""
        return f"{self.root}/{name}"

    def size(self, name: str) -> int | None:
        """See `Source`."""

        def ask() -> int | None:
            self.system.invalidate_cache()
            try:
                return self.system.info(self.path(name))["size"] or 0
            except broken() as error:
                if is_missing(error):
                    return None
                raise

        return self.patiently(self.address(name), "read", ask)

    def blocks(self, name: str, n_bytes: int) -> Iterator[bytes]:
        """See `Source`. A connection that dropped is taken up where it broke."""
        reader = _Reader(self.system, self.path(name), n_bytes)
        try:
            while block := self.patiently(self.address(name), "read", reader.next_block):
                yield block
        finally:
            reader.close()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """See `Target`."""
        self.patiently(self.url, "written", lambda: self.system.makedirs(self.root, exist_ok=True))
        yield

    def sweep(self) -> None:
        """See `Target`."""
        for name in self.names():
            if name.startswith(".") and name.endswith(TEMPORARY):
                self.remove(name)

    def names(self) -> list[str]:
        """See `Target`."""

        def ask() -> list[str]:
            self.system.invalidate_cache()
            try:
                paths = self.system.ls(self.root, detail=False)
            except broken() as error:
                if is_missing(error):
                    return []
                raise
            return sorted(str(path).rstrip("/").rpartition("/")[2] for path in paths)

        return self.patiently(self.url, "read", ask)

    def is_same(self, file: File) -> bool:
        """See `Target`. The bytes are read: there is nothing else that is known of them."""
        size = self.size(file.name)
        if size is None or (file.n_bytes and size and size != file.n_bytes):
            return False
        return self.sha256(file.name) == file.sha256

    def sha256(self, name: str) -> str:
        """Of the bytes that lie here now, 64 hex."""
        digest = hashlib.sha256()
        for block in self.blocks(name, _BLOCK_BYTES):
            digest.update(block)
        return digest.hexdigest()

    def block_bytes(self, _file: File) -> int:
        """See `Target`."""
        return _BLOCK_BYTES

    def write(self, file: File, read: Callable[[], Iterator[bytes]]) -> None:
        """See `Target`."""
        address, temporary = self.address(file.name), f".{file.name}{TEMPORARY}"

        def upload() -> int:
            n_bytes = 0
            with self.system.open(self.path(temporary), "wb") as stream:
                for block in read():
                    stream.write(block)
                    n_bytes += len(block)
            return n_bytes

        def move() -> None:
            try:
                self.system.mv(self.path(temporary), self.path(file.name))
            except FileNotFoundError:  # an earlier attempt was done, and its answer lost
                if self.size(file.name) != n_bytes:
                    raise

        try:
            n_bytes = self.patiently(address, "written", upload)
            if self.size(file.name) is not None:
                self.remove(file.name)
            files.on_step(f"rename {file.name}")
            self.patiently(address, "written", move)
        except BaseException:
            with suppress(*broken()):  # else the next copy sweeps it
                self.system.rm_file(self.path(temporary))
            raise
        self.check_size(file.name, n_bytes)

    def check_size(self, name: str, n_bytes: int) -> None:
        """Raises StorageError when a file that was written has another size."""
        size = self.size(name)
        if size is not None and size != n_bytes:
            raise StorageError(
                f"{self.address(name)} has {size:,} bytes where {n_bytes:,} were written: run the "
                "same command again"
            )

    def remove(self, name: str) -> None:
        """See `Target`."""

        def act() -> None:
            try:
                self.system.rm_file(self.path(name))
            except broken() as error:
                if not is_missing(error):
                    raise

        files.on_step(f"unlink {name}")
        self.patiently(self.address(name), "written", act)


class _Reader:
    """A file read from its start on; after an error it is opened again at the same place."""

    def __init__(self, system: Any, path: str, n_bytes: int) -> None:
        self._system = system
        self._path = path
        self._n_bytes = n_bytes
        self._file: Any = None
        self._position = 0

    def next_block(self) -> bytes:
        """Empty at the end. Raises whatever fsspec raises."""
        try:
            if self._file is None:
                self._open()
            block = self._read(self._n_bytes)
        except broken():
            self.close()
            raise
        self._position += len(block)
        return block

    def close(self) -> None:
        if self._file is not None:
            with suppress(*broken()):
                self._file.close()
        self._file = None

    def _open(self) -> None:
        # No cache: each read is one request for just these bytes.
        self._file = self._system.open(
            self._path, "rb", block_size=self._n_bytes, cache_type="none"
        )
        if not self._position:
            return
        try:
            self._file.seek(self._position)
        except ValueError:  # a server without ranges sends a file from its start on
            left = self._position
            while left and (passed := len(self._file.read(min(left, self._n_bytes)))):
                left -= passed

    def _read(self, n_bytes: int) -> bytes:
        """`n_bytes`, or all that are left."""
        parts: list[bytes] = []
        while n_bytes and (part := self._file.read(n_bytes)):
            parts.append(part)
            n_bytes -= len(part)
        return b"".join(parts)
