"""Opening shards: a folder of ours, a server's or a bucket's, or tars of others."""

from pathlib import Path

from webpairs_core.errors import ShardError
from webpairs_shards.format.layout import MANIFEST
from webpairs_shards.format.manifest import Manifest, read_manifest
from webpairs_shards.read.reader import ShardReader
from webpairs_shards.stores.foreign.find_tars import Where
from webpairs_shards.stores.foreign.open import ForeignOptions, open_foreign
from webpairs_shards.stores.look import check_folder
from webpairs_shards.stores.remote.options import RemoteOptions
from webpairs_shards.stores.store import FolderStore, ShardStore


def open_shards(
    where: Where,
    *,
    is_checked: bool = True,
    foreign: ForeignOptions | None = None,
    remote: RemoteOptions | None = None,
) -> ShardReader:
    """Open a folder of finished shards: of this machine, of a server (http, https) or of a bucket
    (s3), which is read as `remote` says. Unless `is_checked` is False, each sample is held against
    its checksum whenever it is read.

    Or WebDataset tars of others: a folder of them, one, a brace list (`data/{00000..00019}.tar`), a
    list of those. They are walked once, and have no checksums; `foreign` says what differs there.

    The first sample of each shard is looked at; of a server or a bucket only the manifest. Raises
    ShardError where there are none or one is missing, ShardCorrupt where one is not what its
    manifest says or cannot be trained on, SchemaMismatch when this release does not know its
    version, StorageError when a server or a bucket does not answer.
    """
    if isinstance(where, Path | str):
        if "://" in str(where):
            return ShardReader(str(where), _remote(str(where), remote), is_checked=is_checked)
        if _is_ours(Path(where)):
            store = _folder(Path(where), is_checked=is_checked)
            return ShardReader(str(where), store, is_checked=is_checked)
    store_of_others = open_foreign(where, foreign or ForeignOptions())
    return ShardReader(_name_of(where), store_of_others, is_checked=is_checked)


def _folder(folder: Path, *, is_checked: bool) -> FolderStore:
    manifest = read_manifest(folder)
    _refuse_empty(str(folder), manifest)
    check_folder(folder, manifest, is_checked=is_checked)
    return FolderStore(folder, manifest)


def _remote(url: str, options: RemoteOptions | None) -> ShardStore:
    # Where it is wanted: it loads an event loop and what speaks HTTP.
    from webpairs_shards.stores.remote.store import open_remote

    store = open_remote(url, options or RemoteOptions())
    _refuse_empty(url, store.manifest)
    return store


def _refuse_empty(where: str, manifest: Manifest) -> None:
    if manifest.n_samples == 0 or not manifest.shards:
        raise ShardError(f"{where} holds no samples: make the shards again")


def _name_of(where: Where) -> str:
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
