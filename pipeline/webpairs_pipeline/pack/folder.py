"""A folder of images, with the caption in a .txt of the same stem and what else is known in a
.json beside it (the files that img2dataset writes, and every trainer of diffusion models reads)."""

import posixpath
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from webpairs_pipeline.pack.listing import images_below
from webpairs_pipeline.pack.reading import read_file, read_text, real
from webpairs_pipeline.pack.rows import Facts, Unread, caption_of, described, fields_of, row_of


def folder_rows(folder: Path, max_bytes: int) -> Iterator[Unread]:
    """Each image below `folder`, in an order that depends on the names alone."""
    root = real(folder)
    for path in images_below(root):
        yield partial(row_of, path, partial(_read, path, root, max_bytes))


def _read(path: str, root: str, max_bytes: int) -> tuple[str, Facts, bytes]:
    """Caption, facts and image. Raises Refused."""
    stem = posixpath.splitext(path)[0]
    written = read_text(f"{stem}.txt", root)
    beside = read_text(f"{stem}.json", root)
    text = None if written is None else caption_of(written)
    fields = {} if beside is None else fields_of(beside)
    caption, facts = described(text, fields, posixpath.basename(stem))
    return caption, facts, read_file(path, root, max_bytes)
