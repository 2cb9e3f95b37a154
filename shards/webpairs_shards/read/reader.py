"""Shards in, samples out: any sample at once, or an endless shuffled stream from any position.

Samples are found through an index of each tar, its .idx or what a walk found when it was opened. A
folder that is not what its manifest says is refused when it is opened, and each sample is
held against its checksum when it is read: a trainer that waits for samples that never come, or
learns from broken ones, is the field's most common mystery.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from webpairs_core.errors import ShardCorrupt
from webpairs_shards.format.index import RECORD, Records, checksum
from webpairs_shards.read.permutation import permute
from webpairs_shards.read.sample import BrokenSample, RawSample
from webpairs_shards.stores.place import Place
from webpairs_shards.stores.store import HELD_RECORDS, Read, ShardStore

_FIRST_BLOCK, _LARGEST_BLOCK = 16, 1_024
"""Samples whose places are looked up at once: few at first, so that a short look costs little."""
_PARTS = ("image", "json", "text")
_WIDE = 1 << 20
"""Bytes from which on the members of a sample are read one by one."""


class ShardReader:
    """The samples of a folder, numbered 0 to `n_samples` - 1 in the order of the shards.

    Not for several threads at once; cheap to open once in each worker process.
    """

    def __init__(self, folder: str, store: ShardStore, *, is_checked: bool = True) -> None:
        self.folder = folder
        """Where it was opened: a path or a URL."""
        self.is_checked = is_checked and store.is_checked
        self.n_blocks_ahead = 1 if store.reads_ahead else 0
        """Calls of `read_many` that are worth making before the samples of the last one are used:
        so its requests are in flight meanwhile."""
        self._store = store
        manifest = store.manifest
        self.manifest = manifest
        self.n_samples = manifest.n_samples
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
        # Records are found again; the files of a store are opened again.
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

    def _read(self, places: list[Place], read: Read) -> Iterator[RawSample | BrokenSample]:
        key_of = self._store.key
        # What was asked for ahead comes in one piece.
        wide = 1 << 62 if self._store.reads_ahead else _WIDE
        # One read for the three members; the loop is written for speed: it runs for every sample.
        for shard, key, crc32, start, span, cuts in places:
            image, image_end, json, json_end, text, text_end = cuts
            try:
                if span < wide:
                    data = read(shard, start, span)
                    is_whole = len(data) == span
                    parts = data[image:image_end], data[json:json_end], data[text:text_end]
                else:
                    parts, is_whole = _apart(read, shard, start, cuts)
            except FileNotFoundError:
                yield self._broken(shard, key, "missing_tar", "is missing: copy it again")
                continue
            except OSError as error:
                sentence = f"cannot be read ({error.strerror}): see to its disk and its rights"
                yield self._broken(shard, key, "unreadable", sentence)
                continue
            if not is_whole:
                yield self._broken(shard, key, "cut_short", f"ends before byte {start + span:,}")
                continue
            if self.is_checked and checksum(*parts) != crc32:
                yield self._broken(
                    shard,
                    key,
                    "checksum",
                    f"is damaged in sample {key_of(shard, key)}, byte {start:,}: `webpairs verify` "
                    "names all that is damaged; copy the shard again",
                )
                continue
            try:
                caption = parts[2].decode()
            except UnicodeDecodeError as error:
                yield self._broken(shard, key, "not_utf8", f"has no text there: {error}")
                continue
            if not parts[0]:
                yield self._broken(shard, key, "no_image", "has no image there")
            elif not caption or caption.isspace():
                yield self._broken(shard, key, "no_caption", "has no caption there")
            else:
                yield RawSample(key_of(shard, key), parts[0], caption, parts[1])

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
        cuts = (
            (place - starts).tolist() for pair in zip(members, ends, strict=True) for place in pair
        )
        return list(
            zip(
                shards.tolist(),
                found["key"].tolist(),
                found["crc32"].tolist(),
                starts.tolist(),
                spans.tolist(),
                zip(*cuts, strict=True),
                strict=True,
            )
        )

    def _broken(self, shard: int, field: bytes, reason: str, sentence: str) -> BrokenSample:
        name, key = self.manifest.shards[shard].name, self._store.key(shard, field)
        where = f"{self._store.address(shard)} {sentence}"
        return BrokenSample(name, key, reason, where if key in where else f"{where} ({key})")

    def _records_of(self, number: int) -> Records:
        records = self._records.get(number)
        if records is None:
            records = self._records[number] = self._store.records(number)
            self._n_held += len(records)
            while self._n_held > HELD_RECORDS and len(self._records) > 1:
                self._n_held -= len(self._records.popitem(last=False)[1])
        else:
            self._records.move_to_end(number)
        return records


def _sound(samples: Iterator[RawSample | BrokenSample]) -> Iterator[RawSample]:
    for sample in samples:
        if isinstance(sample, BrokenSample):
            raise ShardCorrupt(sample.sentence)
        yield sample


def _apart(
    read: Read, shard: int, start: int, cuts: tuple[int, ...]
) -> tuple[tuple[bytes, bytes, bytes], bool]:
    """Image, JSON and text of a sample between whose members others lie, which nobody wants; and
    whether they are whole."""
    image, image_end, json, json_end, text, text_end = cuts
    parts = (
        read(shard, start + image, image_end - image),
        read(shard, start + json, json_end - json),
        read(shard, start + text, text_end - text),
    )
    wanted = image_end - image + json_end - json + text_end - text
    return parts, sum(map(len, parts)) == wanted
