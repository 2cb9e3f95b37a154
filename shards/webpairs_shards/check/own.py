"""A folder of webpairs' own shards, held against its manifest."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from webpairs_core.errors import ShardCorrupt
from webpairs_core.progress import Progress
from webpairs_shards.check.findings import Finding, Report, Seen, Tally
from webpairs_shards.check.own_shard import OwnFacts, OwnTask, check_own
from webpairs_shards.check.pool import CheckPool, Lost
from webpairs_shards.check.repeats import find_repeats
from webpairs_shards.format.layout import CARD, CROISSANT, MANIFEST, PURGED, SIZES
from webpairs_shards.format.manifest import Manifest, encode_sizes, read_manifest
from webpairs_shards.format.purged import check_purged


def verify_own(folder: Path, workers: int, *, quick: bool) -> Report:
    """Check a folder of finished shards with `workers` processes (0: in this one).

    Raises ShardError, ShardCorrupt, SchemaMismatch when there is no manifest to hold it against.
    """
    manifest = read_manifest(folder)
    tally = Tally()
    tally.add_all(_folder_faults(folder, manifest))
    findings: list[Finding] = []
    n_samples = 0
    with tempfile.TemporaryDirectory(prefix="webpairs-verify-") as scratch:
        tasks = [
            OwnTask(
                folder=folder,
                entry=entry,
                number=number,
                image_format=manifest.image_format,
                rows=Path(scratch) / f"{number:08d}.parquet",
                is_quick=quick,
            )
            for number, entry in enumerate(manifest.shards)
        ]
        with (
            CheckPool[OwnTask, OwnFacts](check_own, min(workers, len(tasks))) as pool,
            Progress("verify", "shards", len(tasks)) as progress,
        ):
            for task, answer in zip(tasks, pool.map(tasks), strict=True):
                if isinstance(answer, Lost):
                    task.rows.unlink(missing_ok=True)  # half written
                    name = f"{task.entry.name}.tar"
                    tally.add(Seen("not_checked", name, answer.at, answer.why))
                else:
                    n_samples += answer.n_samples
                    findings += answer.findings
                progress.add(1, f"{len(findings):,} findings")
        names = [f"{entry.name}.tar" for entry in manifest.shards]
        find_repeats(Path(scratch), names, tally, is_ours=True)
    return Report(
        layout="webpairs",
        n_shards=len(manifest.shards),
        n_samples=n_samples,
        n_bytes=sum(entry.bytes for entry in manifest.shards),
        findings=[*findings, *tally.findings()],
    )


def _folder_faults(folder: Path, manifest: Manifest) -> Iterator[Seen]:
    counted = sum(entry.samples for entry in manifest.shards)
    if counted != manifest.n_samples:
        detail = f"it counts {manifest.n_samples:,} samples, its shards {counted:,}"
        yield Seen("count_differs", MANIFEST, detail=detail)
    for name in (SIZES, CARD, CROISSANT):
        if not (folder / name).exists():
            yield Seen("missing", name)
    sizes = folder / SIZES
    if sizes.exists() and sizes.read_bytes() != encode_sizes(manifest):
        yield Seen("count_differs", SIZES)
    try:
        check_purged(folder, manifest)
    except ShardCorrupt:
        yield Seen("changed", PURGED)
    listed = {f"{entry.name}.tar" for entry in manifest.shards}
    for path in sorted(folder.glob("*.tar")):
        if path.name not in listed:
            yield Seen("unlisted", path.name)
