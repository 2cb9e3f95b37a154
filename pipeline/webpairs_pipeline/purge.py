"""`webpairs purge SHARDS... --url FILE ...`: samples taken out of finished shards, in place.

Each folder is a replacement of its own (`purge_folder.py`); this is the order of the folders, what
is refused before any of them is touched, and the words for a person.
"""

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec

from webpairs_core.errors import RecipeError
from webpairs_filters.removal import Removal, check_removal
from webpairs_pipeline.purge_folder import FolderPurge, finish_pending, held, purge_folder
from webpairs_pipeline.purge_ledger import run_of
from webpairs_shards.format.layout import PURGED
from webpairs_shards.format.manifest import read_manifest
from webpairs_shards.format.purged import check_purged

log = logging.getLogger(__name__)


class PurgeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The command's flags."""

    removal: Removal
    workers: int
    is_dry_run: bool = False


def purge(folders: list[Path], options: PurgeOptions) -> dict[str, Any]:
    """Remove what the lists name from each folder; return what went.

    A purge that was interrupted is finished first. All lists and manifests are read before anything
    changes. Raises ListError, ShardError and its kin, NothingLeft when a folder would be empty,
    StorageError when the disk is full or another command works there.
    """
    removal = options.removal
    check_removal(removal)
    places = list({folder.resolve(): folder for folder in folders}.values())
    finished = [] if options.is_dry_run else [place for place in places if _is_finished(place)]
    if not removal.lists and not finished:
        raise RecipeError(
            "purge needs a list of what goes: --url, --page, --domain, --page-domain, --key, "
            "--sha256 or --phash FILE"
        )
    for place in places:
        check_purged(place, read_manifest(place))
    results: list[dict[str, Any]] = []
    if removal.lists:
        for place in places:
            with nullcontext() if options.is_dry_run else held(place):
                found = purge_folder(place, removal, options.workers, is_dry_run=options.is_dry_run)
            results.append({"folder": str(place), **msgspec.to_builtins(found)})
            _say_what_stays(place, found, is_dry_run=options.is_dry_run)
    return {
        "made": str(places[-1]),
        "dry_run": options.is_dry_run,
        "finished": [str(place) for place in finished],
        "removed": sum(result["n_removed"] for result in results),
        "folders": results,
    }


def summary(result: dict[str, Any]) -> str:
    """The counts for a person."""
    lines = [f"{place}: the interrupted purge is finished" for place in result["finished"]]
    for each in result["folders"]:
        lines.append(_headline(each, is_dry_run=result["dry_run"]))
        lines += [f"  named by {rule:<14}{n:>10,}" for rule, n in each["by"].items()]
        lines += [f"  {name:<23}{n:>10,} of {of:,}" for name, (n, of) in each["shards"].items()]
    return "\n".join(lines)


def _headline(each: dict[str, Any], *, is_dry_run: bool) -> str:
    if not each["n_removed"]:
        return f"{each['folder']}: nothing to remove among {each['n_samples']:,} samples"
    is_whole = [n == of for n, of in each["shards"].values()]
    gone = f", {sum(is_whole)} of them as a whole" if any(is_whole) else ""
    verb = "would go" if is_dry_run else "are removed"
    return (
        f"{each['folder']}: {each['n_removed']:,} of {each['n_samples']:,} samples {verb}, from "
        f"{len(is_whole)} of {each['n_shards']} shards{gone}"
    )


def _is_finished(place: Path) -> bool:
    with held(place):
        return finish_pending(place)


def _say_what_stays(place: Path, found: FolderPurge, *, is_dry_run: bool) -> None:
    run = run_of(place)
    if run is not None and found.n_removed and not is_dry_run:
        log.warning(
            "purge: %s still holds the pictures and addresses in samples/, pairs/ and other tables "
            "of the run; `webpairs shard` leaves them out as long as %s is there, and [blocklist] "
            "of the recipe erases the pictures",
            run,
            place / PURGED,
        )
