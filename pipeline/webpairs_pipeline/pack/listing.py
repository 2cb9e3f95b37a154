"""What lies in a folder, in an order that depends on the names alone. No link to a folder is
followed: it may lead out, or round in circles."""

import os
import posixpath
from collections.abc import Iterator

_DECODED = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".avif")
_OTHERS = (".tif", ".tiff", ".heic", ".heif", ".jxl", ".svg")
IMAGES = frozenset((*_DECODED, *_OTHERS))
"""Endings of images. The others are none that webpairs decodes: they are counted as not_image and
not passed over in silence."""
TEXTS = frozenset((".txt", ".json"))
TABLES = frozenset((".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"))
TAR = ".tar"


def ending(name: str) -> str:
    """Of a file name, in lower case, with its dot."""
    return posixpath.splitext(name)[1].lower()


def images_below(folder: str) -> Iterator[str]:
    """The paths of the images."""
    return (path for path in files_below(folder) if ending(path) in IMAGES)


def files_below(folder: str) -> Iterator[str]:
    """The paths of all files that have one of the endings above; hidden ones are passed over.

    Held at a time are the names of one folder and of the folders above it. A folder that cannot be
    read raises OSError.
    """
    names, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif _is_wanted(entry.name):
                names.append(entry.name)
    names.sort(key=os.fsencode)
    yield from (f"{folder}/{name}" for name in names)
    del names
    for name in sorted(folders, key=os.fsencode):
        yield from files_below(f"{folder}/{name}")


def _is_wanted(name: str) -> bool:
    found = ending(name)
    return found in IMAGES or found in TEXTS or found in TABLES or found == TAR
