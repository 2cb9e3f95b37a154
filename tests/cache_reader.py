"""Reads the shards of a URL through a cache, for tests with several processes and with kills.

`cache_reader.py URL CACHE CACHE_BYTES SEED EPOCHS`: prints the SHA-256 of what was read, in order;
with a limit in bytes as sixth word no file may grow larger, as on a disk that is full.
"""

import hashlib
import logging
import resource
import sys
from pathlib import Path

from webpairs_shards import Mixture, RemoteOptions, ShardStream, StreamOptions, open_shards
from webpairs_shards.stores.remote import ahead


def stream_digest(stream: ShardStream) -> str:
    """SHA-256 over all samples."""
    found = hashlib.sha256()
    for sample in stream:
        found.update(sample.key.encode() + sample.image + sample.json + sample.text.encode())
    assert not stream.broken
    return found.hexdigest()


def main() -> None:
    url, cache, cache_bytes, seed, epochs, *limit = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), int(limit[0])))
    ahead._GAP_BYTES = 0
    options = RemoteOptions(cache=Path(cache), cache_bytes=int(cache_bytes), read_ahead=4)
    reader = open_shards(url, remote=options)
    order = StreamOptions(seed=int(seed), epochs=int(epochs))
    print(stream_digest(ShardStream(Mixture([(reader, 1)]), order)))


if __name__ == "__main__":
    main()
