"""Re-read shards and hold them against their manifest: every byte, every member, every image.

The tars are read with plain `tarfile`, not with the project's own reader, so that a fault which
writer and reader share is still found. Every fault is reported, not only the first.
"""

import tarfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice, zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from webpairs_core.errors import PartCorrupt, SchemaMismatch, ShardCorrupt
from webpairs_core.files import file_sha256
from webpairs_core.process import die_with_parent
from webpairs_core.schema import SHARD, read_table
from webpairs_shards.check.judge import Fault, Members, judge_sample
from webpairs_shards.format.index import Records, checksum, read_index
from webpairs_shards.format.layout import CARD, CROISSANT, MANIFEST, SIZES, member_extensions
from webpairs_shards.format.manifest import Manifest, ShardEntry, encode_sizes, read_manifest


class VerifyReport(msgspec.Struct, frozen=True):
    """What was read, and all that is wrong with it."""

    n_shards: int
    n_samples: int
    n_bytes: int
    """Of the tars."""
    faults: list[Fault]


class _Task(msgspec.Struct, frozen=True):
    folder: Path
    entry: ShardEntry
    image_format: str


class _Checked(msgspec.Struct, frozen=True):
    n_samples: int
    keys: list[str]
    faults: list[Fault]


def verify(folder: Path, workers: int = 1) -> VerifyReport:
    """Check a folder of finished shards with `workers` processes.

    Raises ShardError, ShardCorrupt, SchemaMismatch when there is no manifest to hold it against.
    """
    manifest = read_manifest(folder)
    tasks = [_Task(folder, entry, manifest.image_format) for entry in manifest.shards]
    checked = list(_check_all(tasks, workers))
    faults = [
        *_folder_faults(folder, manifest),
        *(fault for one in checked for fault in one.faults),
        *_repeated_keys(manifest, checked),
    ]
    return VerifyReport(
        n_shards=len(manifest.shards),
        n_samples=sum(one.n_samples for one in checked),
        n_bytes=sum(entry.bytes for entry in manifest.shards),
        faults=faults,
    )


def check_shard(task: _Task) -> _Checked:
    """Check one shard and its sidecars."""
    name = task.entry.name
    tar = task.folder / f"{name}.tar"
    faults = [Fault(name, "", sentence) for sentence in _file_faults(task)]
    if not tar.exists():
        return _Checked(0, [], faults)
    keys: list[str] = []
    records, rows = _sidecars(task, faults)
    try:
        for number, sample in enumerate(_samples(tar, task.image_format)):
            keys.append(sample.key)
            record = records[number] if number < len(records) else None
            row = rows[number] if number < len(rows) else None
            for sentence in (
                *judge_sample(sample, task.image_format),
                *_disagreements(sample, record, row),
            ):
                faults.append(Fault(name, sample.key, sentence))
    except (tarfile.TarError, ShardCorrupt, EOFError) as error:
        last = keys[-1] if keys else ""
        faults.append(Fault(name, last, f"the tar breaks after this sample: {error}"))
    counts = {"tar": len(keys), "idx": len(records), "parquet": len(rows)}
    for ending, n in counts.items():
        if n != task.entry.samples:
            sentence = f"{ending} holds {n:,} samples, the manifest says {task.entry.samples:,}"
            faults.append(Fault(name, "", sentence))
    return _Checked(len(keys), keys, faults)


def _check_all(tasks: list[_Task], workers: int) -> Iterator[_Checked]:
    """In the order of the tasks."""
    if workers == 1 or len(tasks) <= 1:
        yield from map(check_shard, tasks)
        return
    with ProcessPoolExecutor(
        min(workers, len(tasks)), mp_context=get_context("spawn"), initializer=die_with_parent
    ) as pool:
        futures = [pool.submit(check_shard, task) for task in tasks]
        for task, future in zip(tasks, futures, strict=True):
            try:
                yield future.result()
            except BrokenProcessPool:
                sentence = "was not checked: a process died (no memory, or a decoder that crashed)"
                yield _Checked(0, [], [Fault(task.entry.name, "", sentence)])


def _file_faults(task: _Task) -> Iterator[str]:
    entry = task.entry
    wanted = {"tar": entry.sha256, "idx": entry.idx_sha256, "parquet": entry.parquet_sha256}
    for ending, sha256 in wanted.items():
        path = task.folder / f"{entry.name}.{ending}"
        if not path.exists():
            if ending == "tar":  # _sidecars speaks of the others
                yield f"{path.name} is missing"
            continue
        if ending == "tar" and path.stat().st_size != entry.bytes:
            yield (
                f"{path.name} has {path.stat().st_size:,} bytes, the manifest says {entry.bytes:,}"
            )
        if file_sha256(path) != sha256:
            yield f"the SHA-256 of {path.name} is not the manifest's: its bytes have changed"


def _sidecars(task: _Task, faults: list[Fault]) -> tuple[Records, list[dict[str, Any]]]:
    """The index records and Parquet rows of a shard; empty ones where they cannot be read."""
    path = task.folder / task.entry.name
    records: Records = np.empty(0, np.void)
    rows: list[dict[str, Any]] = []
    try:
        records = read_index(path.with_suffix(".idx")).records
    except (ShardCorrupt, SchemaMismatch) as error:
        faults.append(Fault(task.entry.name, "", str(error)))
    try:
        rows = read_table(path.with_suffix(".parquet"), SHARD).to_pylist()
    except (PartCorrupt, SchemaMismatch) as error:
        faults.append(Fault(task.entry.name, "", str(error)))
    return records, rows


def _samples(tar: Path, image_format: str) -> Iterator[Members]:
    """The samples of a tar, three members each. Raises ShardCorrupt where another one stands."""
    extensions = member_extensions(image_format)
    with tarfile.open(tar, "r:") as archive:
        members = iter(archive)
        while group := list(islice(members, len(extensions))):
            key = group[0].name.partition(".")[0]
            for member, extension in zip_longest(group, extensions):
                if member is None or member.name != f"{key}.{extension}" or not member.isreg():
                    found = member.name if member else "the end"
                    raise ShardCorrupt(f"{found} stands where {key}.{extension} belongs")
                if member.mtime != 0:
                    raise ShardCorrupt(f"{member.name} carries a time, it should be 0")
            data: dict[str, bytes] = {}
            for member, extension in zip(group, extensions, strict=True):
                stream = archive.extractfile(member)
                assert stream is not None
                data[extension] = stream.read()
            offsets = dict(zip(extensions, (m.offset_data for m in group), strict=True))
            yield Members(
                key=key,
                image=data[image_format],
                json=data["json"],
                text=data["txt"],
                offsets=(offsets[image_format], offsets["json"], offsets["txt"]),
            )


def _disagreements(
    sample: Members, record: np.void | None, row: dict[str, Any] | None
) -> Iterator[str]:
    """Where the sidecars say something else than the tar."""
    if record is not None:
        if bytes(record["key"]).hex() != sample.key:
            yield f"the idx has {bytes(record['key']).hex()} in its place"
        else:
            places = tuple(int(record[f"{part}_offset"]) for part in ("image", "json", "text"))
            sizes = tuple(int(record[f"{part}_bytes"]) for part in ("image", "json", "text"))
            if (places, sizes) != (sample.offsets, sample.sizes):
                yield "the idx says that it lies elsewhere"
            elif int(record["crc32"]) != checksum(sample.image, sample.json, sample.text):
                yield "its bytes have changed since it was written (CRC-32 of the idx)"
    if row is not None:
        try:
            is_equal = msgspec.json.decode(sample.json) == row
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # judge_sample has said so
        if not is_equal:
            yield "the row of the parquet is not its JSON"


def _folder_faults(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    counted = sum(entry.samples for entry in manifest.shards)
    if counted != manifest.n_samples:
        sentence = f"counts {manifest.n_samples:,} samples, its shards {counted:,}"
        yield Fault(MANIFEST, "", sentence)
    for name in (SIZES, CARD, CROISSANT):
        if not (folder / name).exists():
            yield Fault(name, "", f"{name} is missing")
    sizes = folder / SIZES
    if sizes.exists() and sizes.read_bytes() != encode_sizes(manifest):
        yield Fault(SIZES, "", "counts other samples than the manifest")
    listed = {f"{entry.name}.tar" for entry in manifest.shards}
    for path in sorted(folder.glob("*.tar")):
        if path.name not in listed:
            yield Fault(path.stem, "", f"{path.name} is not in the manifest: remove it")


def _repeated_keys(manifest: Manifest, checked: list[_Checked]) -> Iterator[Fault]:
    """Keys that an earlier sample, in this shard or another, has had."""
    names = [entry.name for entry in manifest.shards]
    keys = np.array([key.encode() for one in checked for key in one.keys], "S32")
    shards = np.repeat(np.arange(len(names)), [len(one.keys) for one in checked])
    order = np.argsort(keys, kind="stable")
    again = np.flatnonzero(keys[order][1:] == keys[order][:-1]) + 1
    for first, second in zip(order[again - 1], order[again], strict=True):
        sentence = f"the key stands in {names[shards[first]]} already"
        yield Fault(names[shards[second]], keys[second].decode(), sentence)
