"""What a copy asks of a place. Names are those of files that lie side by side in it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

TEMPORARY = ".copying"
"""What the name of an unfinished file ends in, where a place has no better way; it begins with a
dot, so no pattern of a reader (`*.tar`) finds it."""


class File(msgspec.Struct, frozen=True):
    """A file to be copied."""

    name: str
    sha256: str
    """64 hex."""
    n_bytes: int
    """0 where the place that it comes from does not say."""


class Stopped(Exception):
    """Another file has failed, or the user has had enough: leave, and leave nothing behind."""


class Source(Protocol):
    """A place to read from. All methods may be called by several threads, and raise StorageError
    when the place refuses or cannot be reached."""

    def address(self, name: str) -> str:
        """Path or URL, for sentences."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a file, 0 when they are not told; None where there is no such file."""
        ...

    def blocks(self, name: str, n_bytes: int) -> Iterator[bytes]:
        """A file in blocks of `n_bytes`; only the last is smaller. Raises Stopped."""
        ...


class Target(Source, Protocol):
    """A place to write to."""

    def hold(self) -> AbstractContextManager[None]:
        """Make the place, and have it alone where places can be locked."""
        ...

    def sweep(self) -> None:
        """Remove what an earlier copy that died has left half-done."""
        ...

    def names(self) -> list[str]:
        """What lies here."""
        ...

    def is_same(self, file: File) -> bool:
        """Whether these very bytes lie here already."""
        ...

    def block_bytes(self, file: File) -> int:
        """The size of the blocks that `write` should be given."""
        ...

    def write(self, file: File, read: Callable[[], Iterator[bytes]]) -> None:
        """Write the blocks that `read()` gives. The file is seen under its name only when all have
        come; when `read` raises, never. `read` is called again for a new attempt."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file if it is there."""
        ...
