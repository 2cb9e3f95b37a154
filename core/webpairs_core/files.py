"""Durable file operations. Each one announces itself through `on_step`, so that a test can stop the
world between any two of them."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from webpairs_core.errors import StorageError


def _silent(step: str) -> None:
    del step


on_step: Callable[[str], None] = _silent
"""Called with a name before each durable operation; tests replace it to kill the process there."""


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a full or read-only disk into a `StorageError` of one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageError(
                "the disk is full: free some space (or choose another place with --out) and run "
                "the same command again; finished units are kept"
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise StorageError(
                f"cannot write {error.filename}: {error.strerror}; choose another place with --out"
            ) from error
        raise


def sync_file(path: Path) -> None:
    """Make a finished file survive a power cut."""
    on_step(f"fsync {path.name}")
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rename(source: Path, target: Path) -> None:
    """Move a finished file to its final name, replacing what may be there."""
    on_step(f"rename {target.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    sync_folder(target.parent)


def create_once(path: Path, data: bytes, scratch: Path) -> bool:
    """Create `path` with `data` only if it is absent; say whether this call made it.

    The data is complete and on disk before the name appears (`os.link`): nobody reads half of it.
    `scratch` is a free name on the same file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch.write_bytes(data)
    sync_file(scratch)
    on_step(f"link {path.name}")
    try:
        os.link(scratch, path)
    except FileExistsError:
        return False
    finally:
        scratch.unlink()
    sync_folder(path.parent)
    return True


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a small file as a whole: readers see the old one or the new one."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors():
        try:
            scratch.write_bytes(data)
            sync_file(scratch)
            rename(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Delete a file if it is there."""
    on_step(f"unlink {path.name}")
    path.unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Delete a folder and what lies in it, if it is there."""
    if folder.exists():
        on_step(f"rmtree {folder.name}")
        shutil.rmtree(folder)
