"""One shard of webpairs' own, held against the manifest and its two sidecars.

The tar is read with plain `tarfile`, not with the project's own reader, so that a fault which
writer and reader share is still found. Every fault is reported, not only the first.
"""

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from webpairs_core.errors import PartCorrupt, SchemaMismatch, ShardCorrupt
from webpairs_core.schema import SHARD, read_table
from webpairs_shards.check.findings import Finding, Seen, Tally
from webpairs_shards.check.judge import Members, judge_sample
from webpairs_shards.check.pictures import Opinion
from webpairs_shards.check.pool import beat
from webpairs_shards.check.sample_rows import SampleRows
from webpairs_shards.check.tars import Member, TarDamage, walk
from webpairs_shards.format.index import Records, checksum, read_index
from webpairs_shards.format.layout import member_extensions
from webpairs_shards.format.manifest import ShardEntry

_CHUNK = 16 * 2**20


class OwnTask(msgspec.Struct, frozen=True, kw_only=True):
    """What `check_own` is given."""

    folder: Path
    entry: ShardEntry
    number: int
    """Of the shard in its folder, from 0."""
    image_format: str
    rows: Path
    """Where the rows of its samples go."""
    is_quick: bool


class OwnFacts(msgspec.Struct, frozen=True):
    """What a shard is found to be."""

    n_samples: int
    findings: list[Finding]


def check_own(task: OwnTask) -> OwnFacts:
    """Check one shard and its sidecars."""
    check = _Check(task)
    check.files()
    if (task.folder / f"{task.entry.name}.tar").exists():
        check.samples()
    return OwnFacts(check.n_samples, check.tally.findings())


class _Check:
    """The state of a check."""

    def __init__(self, task: OwnTask) -> None:
        self._task = task
        self._path = task.folder / task.entry.name
        self.tally = Tally()
        self.n_samples = 0

    def _note(self, kind: str, ending: str, key: str = "", detail: str = "") -> None:
        self.tally.add(Seen(kind, f"{self._task.entry.name}.{ending}", key, detail))

    def files(self) -> None:
        """Sizes and digests."""
        entry = self._task.entry
        wanted = {"tar": entry.sha256, "idx": entry.idx_sha256, "parquet": entry.parquet_sha256}
        for ending, sha256 in wanted.items():
            path = self._path.with_suffix(f".{ending}")
            if not path.exists():
                self._note("missing", ending)
                continue
            n = path.stat().st_size
            if ending == "tar" and n != entry.bytes:
                self._note("size_changed", ending, "", f"{n:,}, the manifest says {entry.bytes:,}")
            if _sha256(path) != sha256:
                self._note("changed", ending)

    def samples(self) -> None:
        """Each sample of the tar, beside its record and its row."""
        task = self._task
        records, rows = self._sidecars()
        key = ""
        try:
            with SampleRows(task.rows, task.number) as written:
                for number, sample in enumerate(self._read()):
                    key = sample.key
                    self.n_samples += 1
                    written.add(key, task.image_format, sample.image)
                    record = records[number] if number < len(records) else None
                    row = rows[number] if number < len(rows) else None
                    for kind, detail in (
                        *judge_sample(sample, task.image_format, quick=task.is_quick),
                        *_disagreements(sample, record, row),
                    ):
                        self._note(kind, "tar", key, detail)
        except TarDamage as damage:
            self._note(damage.kind, "tar", key, damage.detail)
        counts = {"tar": self.n_samples, "idx": len(records), "parquet": len(rows)}
        for ending, n in counts.items():
            if n != task.entry.samples:
                detail = f"{n:,}, the manifest says {task.entry.samples:,}"
                self._note("count_differs", ending, "", detail)

    def _sidecars(self) -> tuple[Records, list[dict[str, Any]]]:
        """The index records and Parquet rows of a shard; empty ones where they cannot be read."""
        records: Records = np.empty(0, np.void)
        rows: list[dict[str, Any]] = []
        idx, parquet = (self._path.with_suffix(f".{ending}") for ending in ("idx", "parquet"))
        try:
            records = read_index(idx).records if idx.exists() else records
        except (ShardCorrupt, SchemaMismatch) as error:
            self._note("sidecar_broken", "idx", "", str(error))
        try:
            rows = read_table(parquet, SHARD).to_pylist() if parquet.exists() else rows
        except (PartCorrupt, SchemaMismatch) as error:
            self._note("sidecar_broken", "parquet", "", str(error))
        return records, rows

    def _read(self) -> Iterator[Members]:
        """The samples, three members each. Raises TarDamage where another one stands."""
        extensions = member_extensions(self._task.image_format)
        group: list[Member] = []
        for member in walk(self._path.with_suffix(".tar")):
            group.append(member)
            if len(group) == len(extensions):
                yield _sample(group, extensions)
                group.clear()
        if group:
            yield _sample(group, extensions)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            beat("")  # a tar of hundreds of GB takes minutes
            digest.update(data)
    return digest.hexdigest()


def _sample(group: list[Member], extensions: tuple[str, str, str]) -> Members:
    key = group[0].name.partition(".")[0]
    beat(key)
    data: dict[str, bytes] = {}
    offsets: dict[str, int] = {}
    for member, extension in zip_longest(group, extensions):
        if member is None or member.name != f"{key}.{extension}" or member.data is None:
            found = member.name if member else "the end"
            raise TarDamage("member_order", f"{found} stands where {key}.{extension} belongs")
        if member.mtime != 0:
            raise TarDamage("member_order", f"{member.name} carries a time, it should be 0")
        data[extension] = member.data
        offsets[extension] = member.offset
    [image_format] = {*extensions} - {"json", "txt"}
    return Members(
        key=key,
        image=data[image_format],
        json=data["json"],
        text=data["txt"],
        offsets=(offsets[image_format], offsets["json"], offsets["txt"]),
    )


def _disagreements(
    sample: Members, record: np.void | None, row: dict[str, Any] | None
) -> Iterator[Opinion]:
    """Where the sidecars say something else than the tar."""
    if record is not None:
        if bytes(record["key"]).hex() != sample.key:
            yield Opinion("index_disagrees", f"it has {bytes(record['key']).hex()} in this place")
        else:
            places = tuple(int(record[f"{part}_offset"]) for part in ("image", "json", "text"))
            sizes = tuple(int(record[f"{part}_bytes"]) for part in ("image", "json", "text"))
            if (places, sizes) != (sample.offsets, sample.sizes):
                yield Opinion("index_disagrees", "it says that the sample lies elsewhere")
            elif int(record["crc32"]) != checksum(sample.image, sample.json, sample.text):
                yield Opinion("sample_changed")
    if row is not None:
        try:
            is_equal = msgspec.json.decode(sample.json) == row
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # judge_sample has said so
        if not is_equal:
            yield Opinion("row_disagrees")
