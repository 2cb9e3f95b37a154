"""Which files the SOURCEs of `webpairs pack` mean, and whether they have changed. Light: every
command imports it for the fingerprint."""

import hashlib
import logging
import os
import posixpath
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from webpairs_core.errors import RecipeError
from webpairs_pipeline.pack.listing import IMAGES, TABLES, TAR, ending, files_below

log = logging.getLogger(__name__)

_METADATA = frozenset(f"metadata{each}" for each in TABLES)
"""The table of a Hugging Face image folder: it speaks for the images beside it."""
_PACKED = (".gz", ".zst")


class SourceFile(msgspec.Struct, frozen=True):
    """One thing to read from its start to its end."""

    kind: Literal["folder", "table", "tar"]
    path: Path


def locate(sources: Sequence[Path]) -> list[SourceFile]:
    """What there is to read, in the order given, inside of a folder by name, each once.

    Raises RecipeError for what is missing, empty or of no known kind, and for a tar that is none or
    was cut.
    """
    found: dict[SourceFile, None] = {}
    for source in sources:
        if source.is_dir():
            found.update(dict.fromkeys(_in_folder(source)))
        elif source.is_file():
            found[_one_file(source)] = None
        elif source.exists():
            raise RecipeError(f"{source} is neither a folder nor a file")
        else:
            raise RecipeError(f"there is no {source}: give folders, tables or tars that exist")
    return list(found)


def source_facts(sources: Sequence[Path]) -> list[tuple[str, int, str]]:
    """Path, size and time of change of what `locate` finds; of a folder of images the number and
    the digest of those of all its files. A change there packs anew. Raises as `locate`."""
    return [_fact(source) for source in locate(sources)]


def _in_folder(folder: Path) -> list[SourceFile]:
    if (folder / "run" / "commits").is_dir():
        raise RecipeError(f"{folder} is the OUT of a run: give the shards in it, {folder}/shards")
    endings: Counter[str] = Counter()
    listed: dict[str, list[SourceFile]] = {"tar": [], "metadata": [], "table": []}
    try:
        for path in files_below(str(folder)):
            kind = ending(path)
            endings[kind] += 1
            if kind == TAR:
                listed["tar"].append(SourceFile("tar", Path(path)))
            elif posixpath.basename(path) in _METADATA:
                listed["metadata"].append(SourceFile("table", Path(path)))
            elif kind in TABLES:
                listed["table"].append(SourceFile("table", Path(path)))
    except OSError as error:
        raise RecipeError(f"{error.filename} cannot be read: {error.strerror}") from None
    n_images = sum(endings[kind] for kind in IMAGES)
    if listed["tar"]:
        if n_images:
            log.warning("%s: taken as tars; %d images beside them stay out", folder, n_images)
        return listed["tar"]
    if listed["metadata"]:
        return listed["metadata"]
    if n_images:
        return [SourceFile("folder", folder)]
    if listed["table"]:
        return listed["table"]
    raise RecipeError(f"{folder} holds no image, table or tar: give a folder that does")


def _one_file(path: Path) -> SourceFile:
    kind = ending(path.name)
    if kind == TAR:
        return SourceFile("tar", path)
    if kind == ".tgz" or (kind in _PACKED and ending(path.stem) == TAR):
        raise RecipeError(f"{path} is compressed: unpack it to a .tar first (gunzip, unzstd)")
    if kind in TABLES or kind == ".json" or (kind in _PACKED and ending(path.stem) in TABLES):
        return SourceFile("table", path)
    raise RecipeError(
        f"{path} is of no known kind: give a folder of images, a .tar or a table "
        f"({', '.join(sorted(TABLES))})"
    )


def _fact(source: SourceFile) -> tuple[str, int, str]:
    if source.kind != "folder":
        stat = source.path.stat()
        return str(source.path), stat.st_size, str(stat.st_mtime_ns)
    seen = hashlib.sha256()
    n_files = 0
    for path in files_below(str(source.path)):
        stat = os.lstat(path)
        seen.update(os.fsencode(path) + f"\0{stat.st_size} {stat.st_mtime_ns}\n".encode())
        n_files += 1
    return str(source.path), n_files, seen.hexdigest()
