"""Shards in, samples out: any sample at once, or an endless shuffled stream from any position.

Tars are mapped and samples found through the .idx, not by walking the tar with `tarfile`, which
costs many times as much. A folder that is not what its manifest says is refused when it is opened,
and each sample is held against its checksum when it is read: a trainer that waits for samples that
never come, or learns from broken ones, is the field's most common mystery.
"""

import mmap
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from webpairs_core.errors import ShardCorrupt, ShardError
from webpairs_shards.format.index import RECORD, Index, Records, checksum, read_index
from webpairs_shards.format.manifest import Manifest, ShardEntry, read_manifest
from webpairs_shards.read.permutation import permute

_FIRST_BLOCK, _LARGEST_BLOCK = 16, 1_024
"""Samples whose places are looked up at once: few at first, so that a short look costs little."""
_PARTS = ("image", "json", "text")


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


def open_shards(folder: Path) -> "ShardReader":
    """Open a folder of finished shards.

    Raises ShardError when it holds none, ShardCorrupt when a file is missing or has another size
    than the manifest says, SchemaMismatch when this release does not know its version.
    """
    manifest = read_manifest(folder)
    if manifest.n_samples == 0 or not manifest.shards:
        raise ShardError(f"{folder} holds no samples: make the shards again")
    for entry in manifest.shards:
        _check_size(folder / f"{entry.name}.tar", entry)
    return ShardReader(folder, manifest)


class ShardReader:
    """The samples of a folder, numbered 0 to `n_samples` - 1 in the order of the shards.

    Not for several threads at once; cheap to open once in each worker process.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.n_samples = manifest.n_samples
        counts = [entry.samples for entry in manifest.shards]
        self._starts = np.array([0, *accumulate(counts)], np.int64)
        if self._starts[-1] != manifest.n_samples:
            raise ShardCorrupt(
                f"{folder}: the manifest counts {manifest.n_samples:,} samples, its shards "
                f"{self._starts[-1]:,}; make the shards again (webpairs shard --fresh)"
            )
        self._open: dict[int, tuple[mmap.mmap, Records]] = {}

    def read(self, index: int) -> RawSample:
        """Sample `index`. Raises IndexError outside [0, n_samples), ShardCorrupt as `stream`."""
        if not 0 <= index < self.n_samples:
            raise IndexError(f"sample {index} of {self.n_samples}")
        return next(self._read_many(np.array([index], np.int64)))

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
        while True:
            positions = position + world * np.arange(block, dtype=np.int64)
            yield from self._read_many(self.order(seed, positions))
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

    def close(self) -> None:
        """Unmap all shards."""
        for tar, _ in self._open.values():
            tar.close()
        self._open.clear()

    def _read_many(self, samples: npt.NDArray[np.int64]) -> Iterator[RawSample]:
        shards = np.searchsorted(self._starts, samples, "right") - 1
        rows = samples - self._starts[shards]
        found = np.empty(len(samples), RECORD)
        for shard in np.unique(shards):
            mine = shards == shard
            found[mine] = self._shard(int(shard))[1][rows[mine]]
        places = zip(
            shards.tolist(),
            found["key"].tolist(),
            found["crc32"].tolist(),
            *(found[f"{part}_{what}"].tolist() for part in _PARTS for what in ("offset", "bytes")),
            strict=True,
        )
        for shard, key, crc32, at_image, n_image, at_json, n_json, at_text, n_text in places:
            tar = self._open[shard][0]
            image = tar[at_image : at_image + n_image]
            json = tar[at_json : at_json + n_json]
            text = tar[at_text : at_text + n_text]
            if checksum(image, json, text) != crc32:
                raise ShardCorrupt(
                    f"{self._tar(shard)} is damaged in sample {key.hex()}, byte {at_image:,}: "
                    "`webpairs verify` names all that is damaged; copy the shard again"
                )
            yield RawSample(key.hex(), image, text.decode(), json)

    def _shard(self, number: int) -> tuple[mmap.mmap, Records]:
        found = self._open.get(number)
        if found is None:
            entry = self.manifest.shards[number]
            index = read_index(self.folder / f"{entry.name}.idx")
            _check_index(self.folder, entry, index)
            with self._tar(number).open("rb") as file:
                tar = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            found = self._open[number] = (tar, index.records)
        return found

    def _tar(self, number: int) -> Path:
        return self.folder / f"{self.manifest.shards[number].name}.tar"


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


def _check_index(folder: Path, entry: ShardEntry, index: Index) -> None:
    if len(index.records) != entry.samples or index.tar_bytes != entry.bytes:
        raise ShardCorrupt(
            f"{folder / entry.name}.idx belongs to another tar ({len(index.records):,} samples, "
            f"{index.tar_bytes:,} bytes; the manifest says {entry.samples:,} and "
            f"{entry.bytes:,}): copy it again, or make the shards again"
        )
