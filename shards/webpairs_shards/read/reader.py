"""Shards in, samples out: any sample at once, or an endless shuffled stream from any position.

Samples are found through the .idx, not by walking the tar with `tarfile`, which costs many times as
much. A folder that is not what its manifest says is refused when it is opened, and each sample is
held against its checksum when it is read: a trainer that waits for samples that never come, or
learns from broken ones, is the field's most common mystery.
"""

import logging
from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from webpairs_core.errors import ShardCorrupt, ShardError
from webpairs_shards.format.index import RECORD, Records, checksum
from webpairs_shards.format.manifest import ShardEntry, read_manifest
from webpairs_shards.read.permutation import permute
from webpairs_shards.read.place import Place
from webpairs_shards.read.remote_options import RemoteOptions
from webpairs_shards.read.store import FolderStore, Read, ShardStore, is_url

log = logging.getLogger(__name__)

_FIRST_BLOCK, _LARGEST_BLOCK = 16, 1_024
"""Samples whose places are looked up at once: few at first, so that a short look costs little."""
_PARTS = ("image", "json", "text")
_HELD_RECORDS = 2**24
"""Records of indexes that are held in memory at once, 64 bytes each: 1 GiB."""


class RawSample(msgspec.Struct, frozen=True, gc=False):
    """One sample as it lies in the tar."""

    key: str
    """32 hex."""
    image: bytes
    """Encoded: jpg, webp or png."""
    text: str
    """The caption."""
    json: bytes
    """UTF-8, see `webpairs_shards.format.layout.SampleJson`."""


class BrokenSample(msgspec.Struct, frozen=True, gc=False):
    """A sample that cannot be used, and why."""

    shard: str
    key: str
    reason: str
    """checksum, cut_short, missing_tar, not_utf8; of decoded ones also not_image."""
    sentence: str


def open_shards(
    folder: Path | str, *, is_checked: bool = True, remote: RemoteOptions | None = None
) -> "ShardReader":
    """Open a folder of finished shards: of this machine, of a server (http, https) or of a bucket
    (s3), which is read as `remote` says. Unless `is_checked` is False, each sample is held against
    its checksum whenever it is read.

    Raises ShardError when it holds none, ShardCorrupt when a file is missing or has another size
    than the manifest says, SchemaMismatch when this release does not know its version. Of a server
    or a bucket only the manifest is looked at; StorageError when that cannot be had.
    """
    if isinstance(folder, str) and is_url(folder):
        # Where it is wanted: it loads an event loop and what speaks HTTP.
        from webpairs_shards.read.remote import open_remote

        remote = remote or RemoteOptions()
        store = open_remote(folder, remote)
        if store.manifest.n_samples > _HELD_RECORDS and remote.cache is None:
            log.warning(
                "the indexes of %s do not fit into memory and are read over and over: give a cache",
                store.address(0),
            )
        return ShardReader(folder, store, is_checked=is_checked, remote=remote)
    folder = Path(folder)
    manifest = read_manifest(folder)
    for entry in manifest.shards:
        _check_size(folder / f"{entry.name}.tar", entry)
    return ShardReader(str(folder), FolderStore(folder, manifest), is_checked=is_checked)


class ShardReader:
    """The samples of a folder, numbered 0 to `n_samples` - 1 in the order of the shards.

    Not for several threads at once; cheap to open once in each worker process.
    """

    def __init__(
        self,
        folder: str,
        store: ShardStore,
        *,
        is_checked: bool = True,
        remote: RemoteOptions | None = None,
    ) -> None:
        self.folder = folder
        """Where it was opened: a path or a URL."""
        self.is_checked = is_checked and store.is_checked
        self.remote = remote
        """How it was opened: with `folder` and `is_checked` it gives the same reader again."""
        self.n_blocks_ahead = 1 if store.reads_ahead else 0
        """Calls of `read_many` that are worth making before the samples of the last one are used:
        so its requests are in flight meanwhile."""
        self._store = store
        manifest = store.manifest
        self.manifest = manifest
        self.n_samples = manifest.n_samples
        if manifest.n_samples == 0 or not manifest.shards:
            raise ShardError(f"{folder} holds no samples: make the shards again")
        counts = [entry.samples for entry in manifest.shards]
        self._starts = np.array([0, *accumulate(counts)], np.int64)
        if self._starts[-1] != manifest.n_samples:
            raise ShardCorrupt(
                f"{folder}: the manifest counts {manifest.n_samples:,} samples, its shards "
                f"{self._starts[-1]:,}; make the shards again (webpairs shard --fresh)"
            )
        self._records: OrderedDict[int, Records] = OrderedDict()
        self._n_held = 0

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, index: int) -> RawSample:
        return self.read(index)

    def read(self, index: int) -> RawSample:
        """Sample `index`. Raises IndexError outside [0, n_samples), ShardCorrupt as `stream`."""
        if not 0 <= index < self.n_samples:
            raise IndexError(f"sample {index} of {self.n_samples}")
        return next(_sound(self.read_many(np.array([index], np.int64))))

    def stream(
        self, seed: int, start: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[RawSample]:
        """Samples without end, in an order of their own for each epoch.

        Position p counts samples over all epochs and all ranks: it lies in epoch p // n_samples,
        and belongs to rank p % world. This yields the positions of `rank` from `start` on. So one
        integer is the whole state of a stream: to go on, with any number of ranks, give the number
        of samples that all of them have used. Raises ShardCorrupt where a shard is damaged.
        """
        if not 0 <= rank < world or start < 0:
            raise ValueError(f"no such stream: start {start}, rank {rank} of {world}")
        position = start + (rank - start) % world
        block = _FIRST_BLOCK
        asked: deque[Iterator[RawSample | BrokenSample]] = deque()
        while True:
            positions = position + world * np.arange(block, dtype=np.int64)
            asked.append(self.read_many(self.order(seed, positions)))
            if len(asked) > self.n_blocks_ahead:
                yield from _sound(asked.popleft())
            position += world * block
            block = min(2 * block, _LARGEST_BLOCK)

    def order(self, seed: int, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The sample that stands at each position of the stream of `seed`."""
        epochs, places = np.divmod(positions, self.n_samples)
        samples = np.empty_like(positions)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            inside = places[mine].astype(np.uint64)
            samples[mine] = permute(inside, self.n_samples, seed, int(epoch))
        return samples

    def __getstate__(self) -> dict[str, object]:
        # Records are found again.
        return self.__dict__ | {"_records": OrderedDict(), "_n_held": 0}

    def close(self) -> None:
        """Let go of all files."""
        self._store.close()
        self._records.clear()
        self._n_held = 0

    def read_many(self, samples: npt.NDArray[np.int64]) -> Iterator[RawSample | BrokenSample]:
        """Samples by number, each in [0, n_samples), in the order given; a damaged one is told, not
        raised. What lies elsewhere is asked for at once, before the first sample is taken.

        Raises ShardCorrupt where an index is missing or belongs to another tar; StorageError where
        a server or a bucket does not answer.
        """
        places = self._places(samples)
        return self._read(places, self._store.reading(places))

    def _places(self, samples: npt.NDArray[np.int64]) -> list[Place]:
        shards = np.searchsorted(self._starts, samples, "right") - 1
        rows = samples - self._starts[shards]
        found = np.empty(len(samples), RECORD)
        numbers = np.unique(shards).tolist()
        self._store.will_need([number for number in numbers if number not in self._records])
        for number in numbers:
            mine = shards == number
            found[mine] = self._records_of(number)[rows[mine]]
        members = [found[f"{part}_offset"].astype(np.int64) for part in _PARTS]
        ends = [at + found[f"{part}_bytes"] for at, part in zip(members, _PARTS, strict=True)]
        starts = np.minimum.reduce(members)
        spans = np.maximum.reduce(ends) - starts
        (image, json, text), (image_end, json_end, text_end) = (
            [(place - starts).tolist() for place in sides] for sides in (members, ends)
        )
        return list(
            zip(
                shards.tolist(),
                found["key"].tolist(),
                found["crc32"].tolist(),
                starts.tolist(),
                spans.tolist(),
                *(image, image_end, json, json_end, text, text_end),
                strict=True,
            )
        )

    def _read(self, places: list[Place], read: Read) -> Iterator[RawSample | BrokenSample]:
        # One read for the three members; the loop is written for speed: it runs for every sample.
        for (
            shard,
            key,
            crc32,
            start,
            span,
            image,
            image_end,
            json,
            json_end,
            text,
            text_end,
        ) in places:
            try:
                data = read(shard, start, span)
            except FileNotFoundError:
                yield self._broken(shard, key, "missing_tar", "is missing: copy it again")
                continue
            if len(data) < span:
                yield self._broken(shard, key, "cut_short", f"ends before sample {key.hex()}")
                continue
            parts = data[image:image_end], data[json:json_end], data[text:text_end]
            if self.is_checked and checksum(*parts) != crc32:
                yield self._broken(
                    shard,
                    key,
                    "checksum",
                    f"is damaged in sample {key.hex()}, byte {start:,}: `webpairs verify` names "
                    "all that is damaged; copy the shard again",
                )
                continue
            try:
                yield RawSample(key.hex(), parts[0], parts[2].decode(), parts[1])
            except UnicodeDecodeError as error:
                yield self._broken(shard, key, "not_utf8", f"has no text at {key.hex()}: {error}")

    def _broken(self, shard: int, key: bytes, reason: str, sentence: str) -> BrokenSample:
        name = self.manifest.shards[shard].name
        return BrokenSample(name, key.hex(), reason, f"{self._store.address(shard)} {sentence}")

    def _records_of(self, number: int) -> Records:
        records = self._records.get(number)
        if records is None:
            records = self._records[number] = self._store.records(number)
            self._n_held += len(records)
            while self._n_held > _HELD_RECORDS and len(self._records) > 1:
                self._n_held -= len(self._records.popitem(last=False)[1])
        else:
            self._records.move_to_end(number)
        return records


def _sound(samples: Iterator[RawSample | BrokenSample]) -> Iterator[RawSample]:
    for sample in samples:
        if isinstance(sample, BrokenSample):
            raise ShardCorrupt(sample.sentence)
        yield sample


def _check_size(tar: Path, entry: ShardEntry) -> None:
    again = "copy it again, or make the shards again (webpairs shard --fresh)"
    try:
        size = tar.stat().st_size
    except FileNotFoundError:
        raise ShardCorrupt(f"{tar} is missing: {again}") from None
    if size != entry.bytes:
        raise ShardCorrupt(
            f"{tar} has {size:,} bytes where the manifest says {entry.bytes:,}: {again}"
        )
