"""How shards of a server or of a bucket are read."""

from pathlib import Path

import msgspec


class RemoteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Patience, and what may be kept on this machine."""

    cache: Path | None = None
    """A folder that all processes of this node share. None: nothing is kept."""
    cache_bytes: int = 0
    """What the whole folder may take up; needed with `cache`."""
    read_ahead: int = 64
    """Requests that a reader has in flight, or answered and not yet used, at once."""
    timeout_s: float = 30.0
    """A connection that is silent for so long is given up, as is an answer that takes ten times as
    long."""
    retries: int = 8
    """New attempts at each request; with eight, a server may be away for 45 seconds or so."""

    def __post_init__(self) -> None:
        if self.read_ahead < 1 or self.timeout_s <= 0 or self.retries < 0:
            raise ValueError(f"no such reading: {self}")
        if (self.cache is None) != (self.cache_bytes < 1):
            raise ValueError("a cache needs a folder and a bound: give cache and cache_bytes")
