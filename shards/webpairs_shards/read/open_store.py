"""What `open_shards` was given, and the store that it means: our folder or tars of others."""

from pathlib import Path

import msgspec

from webpairs_core.errors import ShardError
from webpairs_shards.format.layout import MANIFEST
from webpairs_shards.format.manifest import read_manifest
from webpairs_shards.read.find_tars import Where
from webpairs_shards.read.look import check_folder
from webpairs_shards.read.open_foreign import ForeignOptions, open_foreign
from webpairs_shards.read.store import FolderStore, ShardStore


class Opening(msgspec.Struct, frozen=True):
    """The arguments of `open_shards`: another process opens the same with them."""

    where: Path | str | list[Path | str]
    is_checked: bool = True
    foreign: ForeignOptions = ForeignOptions()


def open_store(opening: Opening) -> ShardStore:
    """Raises as `open_shards`."""
    where = opening.where
    if isinstance(where, Path | str) and _is_ours(Path(where)):
        folder = Path(where)
        manifest = read_manifest(folder)
        if manifest.n_samples == 0 or not manifest.shards:
            raise ShardError(f"{folder} holds no samples: make the shards again")
        check_folder(folder, manifest, is_checked=opening.is_checked)
        return FolderStore(folder, manifest)
    return open_foreign(where, opening.foreign)


def name_of(where: Where) -> str:
    """For sentences."""
    if isinstance(where, Path | str):
        return str(where)
    return f"{where[0]} and {len(where) - 1} more" if len(where) > 1 else str(where[0])


def _is_ours(path: Path) -> bool:
    """A manifest, or what is left where it is missing: an .idx, or no tar at all."""
    if path.is_dir():
        return (
            (path / MANIFEST).exists()
            or next(path.glob("*.idx"), None) is not None
            or next(path.glob("*.tar*"), None) is None
        )
    return not path.exists() and not any(each in str(path) for each in (".tar", "{", "*", "::"))
