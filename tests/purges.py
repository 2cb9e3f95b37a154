"""What the tests of `webpairs purge` share: small runs, lists, and a folder's whole state."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from webpairs_core.schema import SHARD, read_table
from webpairs_filters.removal import Removal
from webpairs_pipeline.purge import PurgeOptions, purge
from webpairs_shards.format.manifest import read_manifest


def rows_of(shards: Path) -> list[dict[str, Any]]:
    """What the sidecars say of each sample, in the order of the shards; `shard` is its place."""
    return [
        row | {"shard": entry.name}
        for entry in read_manifest(shards).shards
        for row in read_table(shards / f"{entry.name}.parquet", SHARD).to_pylist()
    ]


def list_of(path: Path, lines: Iterable[str]) -> str:
    """A list with these entries; its path."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def purge_now(*folders: Path, workers: int = 1, is_dry_run: bool = False, **lists: Any) -> Any:
    """`webpairs purge` in this process; `lists` are the fields of `Removal`."""
    removal = Removal(**lists)
    return purge(
        list(folders), PurgeOptions(removal=removal, workers=workers, is_dry_run=is_dry_run)
    )


def state(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden ones too, but for locks, logs and what a kill leaves of a
    report. The day of a removal is taken out, and with it the digests of what holds it: so midnight
    may pass."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        is_told = path.name not in ("lock", "log.jsonl") and not path.name.startswith(".report.")
        if path.is_file() and is_told:
            found[name] = _dateless(path)
    return found


def _dateless(path: Path) -> bytes:
    if path.name == "purged.jsonl":
        lines = [json.loads(line) | {"date": ""} for line in path.read_text().splitlines()]
        return json.dumps(lines).encode()
    if path.name != "manifest.json":
        return path.read_bytes()
    told = json.loads(path.read_text())  # the dataset's, or the ledger's commit of it
    if "purged" in told:
        told["purged"] = told["purged"]["n_samples"]
    for file in told.get("files", []):
        file["sha256"] = "" if file["path"].endswith("/manifest.json") else file["sha256"]
    return json.dumps(told).encode()
