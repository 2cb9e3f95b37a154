"""The ledger of a run follows a purge of its shards: what is committed is what lies there, so that
`webpairs train` takes it and `webpairs shard` sees that its work is done.
"""

from pathlib import Path

from msgspec.structs import replace

from webpairs_core.files import file_sha256
from webpairs_core.funnel import merge
from webpairs_core.ledger import DONE, Commit, FileEntry, Ledger, Stage
from webpairs_pipeline.report import write_report_json
from webpairs_pipeline.shard_stage import SIDES, Side, facts, shard_funnel
from webpairs_shards.format.manifest import Manifest, ShardEntry, read_manifest_amid_purge

_STAGE = "shard"


def run_of(folder: Path) -> Path | None:
    """OUT of the run that a folder of shards stands in; None when it stands elsewhere."""
    folder = folder.resolve()
    is_of_run = folder.name in [side.folder for side in SIDES]
    return folder.parent if is_of_run and _stage(folder.parent).folder.is_dir() else None


def is_known(folder: Path, manifest: Manifest) -> bool:
    """Whether the ledger of that run has committed exactly these shards."""
    run = run_of(folder)
    if run is None:
        return False
    side, stage = _side(folder), _stage(run)
    for entry in manifest.shards:
        commit = stage.commit_of(side.unit(entry.name))
        path = f"{side.folder}/{entry.name}.tar"
        if commit is None or (path, entry.sha256) not in [(f.path, f.sha256) for f in commit.files]:
            return False
    return True


def follow(folder: Path) -> None:
    """Write the records of the shards as they are now. Doing it twice changes nothing."""
    run = run_of(folder)
    if run is None:
        return  # copied out of its run since the purge began
    side, stage = _side(folder), _stage(run)
    manifest = read_manifest_amid_purge(folder)
    entries = {entry.name: entry for entry in manifest.shards}
    commits = stage.commits()
    for commit in commits:
        if commit.unit == side.description:
            _put(stage, commit, replace(commit, files=[_seen(run, f.path) for f in commit.files]))
        elif commit.unit.startswith(side.unit("shard-")):
            entry = entries.get(commit.unit.removeprefix(side.units))
            n = entry.samples if entry else 0
            paths = _files(run, side, entry) if entry else []
            funnel = shard_funnel(commit.funnels[0].rows_in, n)
            _put(stage, commit, replace(commit, files=paths, funnels=[funnel]))
    done = stage.commit_of(DONE)
    if done is not None:
        units = [each for each in stage.commits() if each.unit != DONE]
        funnel = merge(funnel for each in units for funnel in each.funnels)
        _put(stage, done, replace(done, funnels=[funnel], info=facts(stage)))
    write_report_json(run)


def _put(stage: Stage, old: Commit, new: Commit) -> None:
    if new != old:
        stage.rewrite(new)


def _files(run: Path, side: Side, entry: ShardEntry) -> list[FileEntry]:
    """Sorted by path, as the ledger has them."""
    stem = f"{side.folder}/{entry.name}"
    digests = {"idx": entry.idx_sha256, "parquet": entry.parquet_sha256, "tar": entry.sha256}
    return [
        FileEntry(path, (run / path).stat().st_size, sha256, entry.samples)
        for path, sha256 in ((f"{stem}.{ending}", sha256) for ending, sha256 in digests.items())
    ]


def _seen(run: Path, path: str) -> FileEntry:
    return FileEntry(path, (run / path).stat().st_size, file_sha256(run / path))


def _stage(run: Path) -> Stage:
    return Ledger(run).stage(_STAGE)


def _side(folder: Path) -> Side:
    name = folder.resolve().name
    return next(side for side in SIDES if side.folder == name)
