"""The bytes of an archive, read once, with a memory of the last few: a reader that meets damage
must look again at what it has read, and streams from the network cannot seek."""

from typing import Protocol

HOLD_BYTES = 33_554_432
"""Remembered behind the reader at most. A record whose damage swallows more costs what lies
between."""
_BLOCK_BYTES = 262_144
_SLACK_BYTES = 1_048_576


class Readable(Protocol):
    """A binary stream, as far as it is needed."""

    def read(self, n_bytes: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""


class Tape:
    """A binary stream that remembers what it gave, back to a mark."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._held = bytearray()
        self._start = 0
        self._mark = 0
        self._at = 0
        self._lead = b""
        self._is_ended = False
        self.has_failed = False
        """Whether reading the stream itself raised: then an error is no damage of the archive."""

    def rewind(self, offset: int, lead: bytes = b"") -> None:
        """Let `read` go on from this offset, which is remembered still; `lead` comes before it."""
        self._mark = offset
        self._at = offset
        self._lead = lead

    def keep_from(self, offset: int) -> None:
        """What lies before this offset is not needed any more."""
        self._mark = offset

    def tell(self) -> int:
        """The offset of what `read` gives next."""
        return self._at - len(self._lead)

    def read(self, n_bytes: int = -1) -> bytes:
        """At most `n_bytes` bytes, and at least one unless the stream has ended."""
        if self._lead:
            lead, self._lead = self._lead[:n_bytes], self._lead[n_bytes:]
            return lead
        wanted = _BLOCK_BYTES if n_bytes < 0 else n_bytes
        data = self.peek(self._at, wanted, is_some_enough=True)
        self._at += len(data)
        return data

    def peek(self, offset: int, n_bytes: int, is_some_enough: bool = False) -> bytes:
        """The bytes from an offset on: fewer only where the stream ends, or as is enough.

        What is forgotten already counts as gone: then the bytes are empty.
        """
        end = offset + n_bytes
        if offset < self._start:
            return b""
        while self._end < end and not self._is_ended:
            if is_some_enough and offset < self._end:
                break
            self._fill(max(offset, self._mark))
        return bytes(memoryview(self._held)[offset - self._start : end - self._start])

    def first_held(self) -> int:
        """The earliest offset that is remembered."""
        return self._start

    @property
    def _end(self) -> int:
        return self._start + len(self._held)

    def _fill(self, needed_from: int) -> None:
        self.has_failed = True
        block = self._stream.read(_BLOCK_BYTES)
        self.has_failed = False
        self._is_ended = not block
        self._held += block
        keep_from = max(min(self._mark, needed_from), self._end - HOLD_BYTES)
        if keep_from - self._start > _SLACK_BYTES:
            del self._held[: keep_from - self._start]
            self._start = keep_from
