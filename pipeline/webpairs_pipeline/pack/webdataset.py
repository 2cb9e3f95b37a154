"""Tars of other WebDatasets, ours and img2dataset's: members that stand together and share a name
up to their first dot are a sample (webdataset's rule). Nothing is unpacked: bytes are read where
they lie, so a name in a tar can write nowhere; one that climbs out is refused all the same.
"""

import os
import posixpath
import tarfile
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import msgspec

from webpairs_core.errors import PartCorrupt
from webpairs_core.records import Outcome
from webpairs_pipeline.pack.listing import IMAGES, ending
from webpairs_pipeline.pack.reading import MAX_TEXT_BYTES, Refused
from webpairs_pipeline.pack.rows import Facts, Unread, caption_of, described, fields_of, row_of

_CAPTIONS = (".txt", ".text", ".caption")
_NOTES = (".cls", ".url")
"""Members of a word or a number; they become fields of that name."""
_BLOCK = 512
_READ_BYTES = 1 << 20


class Member(msgspec.Struct, frozen=True, gc=False):
    """One file in a tar."""

    name: str
    offset: int
    """Where its bytes begin, in bytes."""
    size: int
    is_regular: bool

    @property
    def stem(self) -> str:
        """The name of its sample: folder and name up to the first dot."""
        folder, _, name = self.name.rpartition("/")
        return f"{folder}/{name.partition('.')[0]}" if folder else name.partition(".")[0]


def check_tar(path: Path) -> None:
    """Look at the start and the end of a tar, which costs nothing. Raises PartCorrupt when it is
    none, is empty or was cut."""
    try:
        with path.open("rb") as file:
            head = file.read(_BLOCK)
            if head:
                file.seek(-min(2 * _BLOCK, path.stat().st_size), os.SEEK_END)
            tail = file.read()
        if head:
            tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except OSError as error:
        raise PartCorrupt(f"{path} cannot be read: {error.strerror}") from None
    except tarfile.HeaderError:
        if head.strip(b"\0"):
            raise PartCorrupt(f"{path} is no tar: leave it out or get it again") from None
        raise PartCorrupt(f"{path} is a tar without any member: leave it out") from None
    if not head:
        raise PartCorrupt(f"{path} is empty: leave it out or get it again")
    if tail.strip(b"\0"):
        raise _cut(path)


def tar_rows(path: Path, max_bytes: int) -> Iterator[Unread]:
    """Each sample of a tar, in its order. Raises PartCorrupt where it is damaged or cut."""
    try:
        with path.open("rb") as file:
            for stem, members in groupby(_members(path, file), key=lambda member: member.stem):
                for group in _samples(list(members)):
                    place = f"{path}:{stem}"
                    yield partial(row_of, place, partial(_read, file, path, group, max_bytes))
    except OSError as error:
        raise PartCorrupt(f"{path} cannot be read: {error.strerror}") from None


def _members(path: Path, file: BinaryIO) -> Iterator[Member]:
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            # Without it the tar would remember each of them.
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]
                name = posixpath.basename(info.name)
                if info.isdir() or name.startswith((".", "__")):
                    continue
                yield Member(
                    info.name.removeprefix("./"),
                    info.offset_data,
                    info.size,
                    info.type in (tarfile.REGTYPE, tarfile.AREGTYPE),
                )
            file.seek(tar.offset)  # `tarfile` takes a broken header for the end
            rest = file.read(_BLOCK)
            while rest and not rest.strip(b"\0"):
                rest = file.read(_READ_BYTES)
                if not rest:
                    return
    except tarfile.TarError:
        raise _cut(path) from None
    raise _cut(path)


def _cut(path: Path) -> PartCorrupt:
    return PartCorrupt(
        f"{path} is damaged or was cut: it does not end as a tar does; get it again or leave it out"
    )


def _samples(group: list[Member]) -> Iterator[list[Member]]:
    """The samples of members that share a name up to the first dot: one, but for names with a dot
    in them (`img.0001.jpg`), which are told by their whole names."""
    n_images = sum(ending(member.name) in IMAGES for member in group)
    by_name: dict[str, list[Member]] = {}
    for member in group:
        by_name.setdefault(posixpath.splitext(member.name)[0], []).append(member)
    if n_images > 1 and all(len(some) > 1 for some in by_name.values()):
        yield from by_name.values()
    else:
        yield group


def _read(
    file: BinaryIO, path: Path, group: list[Member], max_bytes: int
) -> tuple[str, Facts, bytes]:
    """Caption, facts and image. Raises Refused, and PartCorrupt where the tar ends."""
    image: Member | None = None
    text: str | None = None
    fields: dict[str, Any] = {}
    notes: dict[str, Any] = {}
    for member in group:
        pure = PurePosixPath(member.name)
        if pure.is_absolute() or ".." in pure.parts:
            raise Refused(Outcome.OUTSIDE_SOURCE)
        kind = ending(member.name)
        if kind in IMAGES:
            image = image or member
        elif kind in (*_CAPTIONS, *_NOTES, ".json") and member.is_regular:
            if member.size > MAX_TEXT_BYTES:
                raise Refused(Outcome.BAD_ROW)
            data = _bytes(file, path, member)
            if kind == ".json":
                fields = fields_of(data)
            elif kind in _CAPTIONS:
                text = text or caption_of(data)
            else:
                notes[kind[1:]] = caption_of(data)
    if image is None or not image.is_regular:
        raise Refused(Outcome.MISSING_FILE)
    if image.size > max_bytes:
        raise Refused(Outcome.TOO_LARGE)
    stem = posixpath.basename(posixpath.splitext(image.name)[0])
    caption, facts = described(text, notes | fields, stem)
    return caption, facts, _bytes(file, path, image)


def _bytes(file: BinaryIO, path: Path, member: Member) -> bytes:
    file.seek(member.offset)
    data = file.read(member.size)
    if len(data) != member.size:
        raise _cut(path)
    return data
