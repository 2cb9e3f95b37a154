"""Deterministic WebDataset shards: written, checked, streamed.

`open_shards`, `RemoteOptions`, `Mixture`, `ShardStream` and `StreamOptions` need no torch; for
torch there is `webpairs_shards.read.batches`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webpairs_shards.read.reader import open_shards
    from webpairs_shards.read.remote_options import RemoteOptions
    from webpairs_shards.read.stream import Mixture, ShardStream, StreamOptions

__all__ = ["Mixture", "RemoteOptions", "ShardStream", "StreamOptions", "open_shards"]
_HOMES = {"open_shards": "reader", "Mixture": "stream", "RemoteOptions": "remote_options"}
_HOMES |= {"ShardStream": "stream", "StreamOptions": "stream"}


def __getattr__(name: str) -> Any:
    # When it is asked for: `webpairs --help` loads this package and must not load numpy.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"webpairs_shards.read.{_HOMES[name]}"), name)
