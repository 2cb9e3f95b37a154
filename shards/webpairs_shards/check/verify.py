"""Check a WebDataset, whoever made it: every byte of it, or all but the pixels.

A folder that webpairs made is held against its manifest (`own.py`). Any other is read as trainers
read it (`foreign.py`), and what would hang, fail or mislead one of them is said.
"""

import os
from pathlib import Path

import msgspec

from webpairs_core.errors import ShardError
from webpairs_shards.check.findings import Report
from webpairs_shards.check.foreign import ENDINGS, tars_of, verify_foreign
from webpairs_shards.check.own import verify_own
from webpairs_shards.format.layout import MANIFEST


def verify(path: Path, workers: int = 0, *, quick: bool = False) -> Report:
    """Check a folder of shards, or one tar, with `workers` processes.

    With 0 workers all happens in this process, which a decoder that crashes takes with it. Where no
    shard lies in the folder itself, each folder below it that holds some is checked. With `quick`,
    of an image no more than the header is read.

    Raises ShardError when there is no shard; ShardCorrupt, SchemaMismatch when the manifest of a
    folder of webpairs' own is damaged or of another version.
    """
    if (path / "run" / "commits").is_dir():
        raise ShardError(f"{path} is the OUT of a run: give a folder of shards, e.g. {path}/shards")
    if path.is_file():
        return verify_foreign(path.parent, [path], workers, quick=quick)
    folders = [path] if _has_shards(path) else _folders_below(path)
    if not folders:
        raise ShardError(
            f"{path} holds no {MANIFEST} and no tar ({', '.join(ENDINGS)}): give a folder of "
            "shards, e.g. out/NAME/shards, or one tar"
        )
    reports = []
    for folder in folders:
        is_own = _is_own(folder)
        reports.append(
            verify_own(folder, workers, quick=quick)
            if is_own
            else verify_foreign(folder, tars_of(folder), workers, quick=quick)
        )
    return reports[0] if len(reports) == 1 else _together(path, folders, reports)


def _has_shards(folder: Path) -> bool:
    return folder.is_dir() and (_is_own(folder) or bool(tars_of(folder)))


def _folders_below(path: Path) -> list[Path]:
    """Links to folders are not followed: they may lead round in a circle."""
    below = [Path(folder) for folder, _, _ in os.walk(path)]
    return sorted(folder for folder in below if _has_shards(folder))


def _is_own(folder: Path) -> bool:
    """Whether there is a manifest that is ours, or too damaged to tell: others write some, too."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return False
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return isinstance(manifest, dict) and str(manifest.get("schema", "")).startswith("shards/")


def _together(path: Path, folders: list[Path], reports: list[Report]) -> Report:
    """One report of several folders: their shards are named by their paths below `path`."""
    findings = []
    for folder, report in zip(folders, reports, strict=True):
        for found in report.findings:
            shard = str(folder.relative_to(path) / found.shard)
            findings.append(msgspec.structs.replace(found, shard=shard))
    return Report(
        layout=", ".join(sorted({report.layout for report in reports})),
        n_shards=sum(report.n_shards for report in reports),
        n_samples=sum(report.n_samples for report in reports),
        n_bytes=sum(report.n_bytes for report in reports),
        findings=findings,
    )
