"""Several files of a folder replaced as if at once.

The new files lie complete and on disk in a scratch folder when the journal appears; from then on
the replacement is finished, by whoever comes next if need be, and never undone. Before it, nothing
has changed. `read_manifest` refuses a folder with a journal.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from webpairs_core import files
from webpairs_core.errors import ShardCorrupt, ShardError, StorageError
from webpairs_shards.format.layout import MANIFEST, PURGE_JOURNAL

SCRATCH = ".purge"
"""A folder inside of the one whose files are replaced: on the same file system."""


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """The journal: all that is needed to finish."""

    manifest_before: str
    """SHA-256 of manifest.json, to tell when somebody else has changed the folder since."""
    files: dict[str, str]
    """Name → SHA-256 of the new files, in the order in which they take their places; the manifest
    is the last."""
    gone: list[str]
    """Files that go."""
    is_of_run: bool
    """Whether the ledger of the run beside the folder follows."""


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a folder. Raises StorageError when another purge does, ShardError when there is none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise ShardError(f"{folder} is no folder: give one of finished shards") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StorageError(
            f"another purge is at work in {folder}: wait until it has ended"
        ) from None
    finally:
        os.close(descriptor)


def begin(folder: Path, replacement: Replacement) -> None:
    """Write the journal: the point of no return. The new files lie in the scratch folder."""
    scratch = folder / SCRATCH
    files.sync_folder(scratch)
    data = msgspec.json.format(msgspec.json.encode(replacement), indent=1) + b"\n"
    files.create_once(folder / PURGE_JOURNAL, data, scratch / "journal")


def pending(folder: Path) -> Replacement | None:
    """The replacement that has begun in a folder. Raises ShardCorrupt when its journal is none."""
    path = folder / PURGE_JOURNAL
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Replacement)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShardCorrupt(
            f"{path} is damaged ({error}): copy the whole folder again, then run the purge again"
        ) from error


def finish(folder: Path, replacement: Replacement, follow: Callable[[], None]) -> None:
    """Do what is left of a replacement. `follow` is called when all files stand in their places and
    before the journal goes; it may be called again after a crash.

    Raises ShardCorrupt when the folder is neither as before nor as after it.
    """
    known = (replacement.manifest_before, replacement.files[MANIFEST])
    if not _is(folder / MANIFEST, *known):
        raise _foreign(folder, MANIFEST)
    for name, sha256 in replacement.files.items():
        if (folder / SCRATCH / name).exists():
            files.rename(folder / SCRATCH / name, folder / name)
        elif not _is(folder / name, sha256):
            raise _foreign(folder, name)
    for name in replacement.gone:
        files.remove(folder / name)
    files.sync_folder(folder)
    follow()
    files.remove_tree(folder / SCRATCH)
    files.remove(folder / PURGE_JOURNAL)
    files.sync_folder(folder)


def _is(path: Path, *sha256: str) -> bool:
    return path.exists() and files.file_sha256(path) in sha256


def _foreign(folder: Path, name: str) -> ShardCorrupt:
    return ShardCorrupt(
        f"{folder / name} is neither the one from before the interrupted purge nor the one after "
        "it: copy the whole folder again, then run the purge again"
    )
