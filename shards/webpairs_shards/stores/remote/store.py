"""Shards of a server or of a bucket: read by ranges, ahead of the reader, in the same order as
those of a folder, with or without a cache on this machine."""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from webpairs_core.errors import ShardCorrupt, ShardError
from webpairs_shards.format.index import Records, index_bytes, parse_index
from webpairs_shards.format.layout import MANIFEST
from webpairs_shards.format.manifest import Manifest, ShardEntry, decode_manifest
from webpairs_shards.stores.place import Place, is_sound
from webpairs_shards.stores.remote.ahead import ReadAhead, Request
from webpairs_shards.stores.remote.bucket_source import BucketSource
from webpairs_shards.stores.remote.cache import NodeCache
from webpairs_shards.stores.remote.fetch_ranges import Fetcher
from webpairs_shards.stores.remote.options import RemoteOptions
from webpairs_shards.stores.remote.web_source import Source, WebSource
from webpairs_shards.stores.store import HELD_RECORDS, Read, check_index

log = logging.getLogger(__name__)

_WEB = ("http://", "https://")
_S3 = "s3://"
_BUSY_PAUSE_S = 0.05
"""Before looking again whether another process has an index by now."""


def open_remote(url: str, options: RemoteOptions) -> "RemoteStore":
    """The shards at `url`, without looking at any but the manifest.

    Raises ShardError when there are none, ShardCorrupt, SchemaMismatch as `decode_manifest`,
    StorageError when they cannot be had, RecipeError when s3fs is not installed.
    """
    if not url.startswith((*_WEB, _S3)):
        raise ShardError(f"{url} cannot be read: give a folder, an http(s) or an s3 URL")
    fetcher = Fetcher(partial(_source, url, options), options)
    try:
        data = fetcher.whole(MANIFEST)
    except FileNotFoundError as missing:
        fetcher.close()
        raise ShardError(
            f"{missing} is not there: give the URL of a folder that `webpairs shard` has finished"
        ) from None
    manifest = decode_manifest(fetcher.address(MANIFEST), data)
    if manifest.n_samples > HELD_RECORDS and options.cache is None:
        log.warning(
            "the indexes of %s do not fit into memory and are read over and over: give a cache",
            fetcher.address(MANIFEST),
        )
    return RemoteStore(fetcher, manifest, options)


def _source(url: str, options: RemoteOptions) -> Source:
    return BucketSource(url, options) if url.startswith(_S3) else WebSource(url, options)


class RemoteStore:
    """See `ShardStore`. The size of a tar is not asked for: one that was replaced or cut is seen by
    the checksums of its samples."""

    is_checked = True
    reads_ahead = True

    def __init__(self, fetcher: Fetcher, manifest: Manifest, options: RemoteOptions) -> None:
        self.manifest = manifest
        self._options = options
        self._fetcher = fetcher
        self._ahead = ReadAhead(self._send, options.read_ahead)
        self._indexes: dict[int, Future[bytes]] = {}
        self._cache: NodeCache | None = None
        if options.cache is not None:
            names = [name for e in manifest.shards for name in (e.sha256, e.idx_sha256)]
            self._cache = NodeCache(options.cache, options.cache_bytes, names)

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process goes what it was made of: it reads by the same manifest."""
        return RemoteStore, (self._fetcher, self.manifest, self._options)

    def address(self, number: int) -> str:
        """See `ShardStore`."""
        return self._fetcher.address(self._tar(number))

    def key(self, number: int, field: bytes) -> str:
        """See `ShardStore`."""
        del number
        return field.hex()

    def will_need(self, numbers: Sequence[int]) -> None:
        """See `ShardStore`."""
        for number in numbers:
            if number not in self._indexes:
                self._indexes[number] = self._fetcher.run(self._index(number))

    def records(self, number: int) -> Records:
        """See `ShardStore`."""
        self.will_need([number])
        entry = self.manifest.shards[number]
        address = self._fetcher.address(_index_name(entry))
        try:
            data = self._indexes.pop(number).result()
        except FileNotFoundError:
            raise ShardCorrupt(f"{address} is missing: copy the shards there again") from None
        index = parse_index(address, data)
        check_index(address, entry, index)
        return index.records

    def reading(self, places: Sequence[Place]) -> Read:
        """See `ShardStore`. Reading raises StorageError where the place does not answer."""
        announcement = self._ahead.announce(places)

        def read(number: int, start: int, n_bytes: int) -> bytes:
            taken = self._ahead.take(announcement, number, start, n_bytes)
            if taken is None:
                return self._fetcher.bytes_of(self._tar(number), start, n_bytes).result()
            data, is_new = taken
            if self._cache is not None and is_new:
                # Wrong bytes do no harm: what the cache gives is held against its checksum.
                entry = self.manifest.shards[number]
                self._cache.write(entry.sha256, entry.bytes, start, data)
            return data

        return read

    def close(self) -> None:
        """See `ShardStore`."""
        self._indexes.clear()
        self._fetcher.close()
        if self._cache is not None:
            self._cache.close()

    def _send(self, request: Request) -> None:
        at_hand = self._at_hand(request)
        if at_hand is not None:
            request.answer = at_hand
        else:
            name = self._tar(request.shard)
            request.answer = self._fetcher.bytes_of(name, request.start, request.n_bytes)

    def _at_hand(self, request: Request) -> dict[int, bytes] | None:
        """The samples of a request by their start, when the cache has all of them."""
        if self._cache is None:
            return None
        entry = self.manifest.shards[request.shard]
        found: dict[int, bytes] = {}
        for place in request.places:
            start, n_bytes = place[3], place[4]
            data = self._cache.read(entry.sha256, entry.bytes, start, n_bytes)
            if not is_sound(place, data):
                return None
            found[start] = data
        return found

    async def _index(self, number: int) -> bytes:
        """The .idx of a shard, verified; of the processes that share a cache, one downloads it."""
        entry = self.manifest.shards[number]
        n_bytes = index_bytes(entry.samples)
        while self._cache is not None:
            found = self._cache.index(entry.idx_sha256)
            if found is not None:
                return found
            with contextlib.closing(self._cache.claim_index(entry.idx_sha256, n_bytes)) as claim:
                if not claim.is_elsewhere:
                    data = await self._downloaded(entry, n_bytes)
                    claim.finish(data)
                    return data
            await asyncio.sleep(_BUSY_PAUSE_S)
        return await self._downloaded(entry, n_bytes)

    async def _downloaded(self, entry: ShardEntry, n_bytes: int) -> bytes:
        name = _index_name(entry)
        data = await self._fetcher.get(name, 0, n_bytes)
        if hashlib.sha256(data).hexdigest() != entry.idx_sha256:
            raise ShardCorrupt(
                f"{self._fetcher.address(name)} is not the index that the manifest names: copy the "
                "shards there again"
            )
        return data

    def _tar(self, number: int) -> str:
        return f"{self.manifest.shards[number].name}.tar"


def _index_name(entry: ShardEntry) -> str:
    return f"{entry.name}.idx"
