"""Deterministic WebDataset shards: written, checked, streamed.

What is named here needs no torch; for torch there is `webpairs_shards.batches`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webpairs_shards.read.open import open_shards
    from webpairs_shards.read.stream import Mixture, ShardStream, StreamOptions
    from webpairs_shards.stores.foreign.open import ForeignOptions
    from webpairs_shards.stores.foreign.walk import Endings
    from webpairs_shards.stores.remote.options import RemoteOptions

__all__ = [
    "Endings",
    "ForeignOptions",
    "Mixture",
    "RemoteOptions",
    "ShardStream",
    "StreamOptions",
    "open_shards",
]
_HOMES = {
    "Endings": "stores.foreign.walk",
    "ForeignOptions": "stores.foreign.open",
    "Mixture": "read.stream",
    "RemoteOptions": "stores.remote.options",
    "ShardStream": "read.stream",
    "StreamOptions": "read.stream",
    "open_shards": "read.open",
}


def __getattr__(name: str) -> Any:
    # When it is asked for: `webpairs --help` loads this package and must not load numpy.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"webpairs_shards.{_HOMES[name]}"), name)
