"""Evaluation sets: pictures in folders and in tars, made ready exactly as samples are.

They are files of the user's own, so they are decoded without the guards of the fetch; one that
cannot be decoded is counted and passed over. Every command lists them, so nothing heavy is imported
before a picture is read.
"""

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from webpairs_core.errors import RecipeError
from webpairs_core.records import Outcome
from webpairs_shards.options import ImageSection

_PICTURES = {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"}
_TAR = ".tar"
_SUFFIXES = _PICTURES | {_TAR}


class EvalPicture(NamedTuple):
    """One picture of an evaluation set."""

    name: str
    """Its path; in a tar `TAR:MEMBER`."""
    phash: int
    data: bytes
    """As a shard would store it; empty, with a hash of 0, where it cannot be decoded."""


class EvalTask(msgspec.Struct, frozen=True):
    """Files to read together: all that a worker process needs."""

    files: tuple[str, ...]
    section: ImageSection


def set_files(sets: Sequence[str]) -> list[Path]:
    """The pictures and tars that `decontaminate.sets` names, each once, by path.

    Raises RecipeError for a path that is not there or holds none.
    """
    found: set[Path] = set()
    for name in sets:
        path = Path(name)
        if not path.exists():
            raise RecipeError(f"decontaminate.sets: there is no {path}")
        if path.is_dir():
            files = [each for each in path.rglob("*") if each.suffix.lower() in _SUFFIXES]
            files = [each for each in files if each.is_file()]
        else:
            files = [path] if path.suffix.lower() == _TAR else []
        if not files:
            raise RecipeError(
                f"decontaminate.sets: {path} holds no picture: name a folder of pictures or "
                ".tar shards, or one .tar"
            )
        found.update(files)
    return sorted(found)


def set_facts(sets: Sequence[str]) -> list[tuple[str, int, int]]:
    """Path, size in bytes and time of change (ns) of each of these files: a change plans anew.

    Raises as `set_files`.
    """
    stats = [(str(path), path.stat()) for path in set_files(sets)]
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def read_pictures(task: EvalTask) -> Iterator[EvalPicture]:
    """The pictures of some files, in order. The recipe's [image] decides how they are shrunk; its
    bounds of size are for what is collected and do not count here.

    Raises RecipeError for a tar that cannot be read.
    """
    from webpairs_shards.image.process import process_image

    section = msgspec.structs.replace(task.section, min_side_px=1, max_aspect=65_535.0)
    for name, data in _encoded(task.files):
        made = process_image(data, section)
        is_ok = made.outcome == Outcome.OK
        yield EvalPicture(name, made.phash if is_ok else 0, made.data)


def no_picture(sets: Sequence[str]) -> RecipeError:
    """For sets of which not one picture can be decoded."""
    return RecipeError(
        f"decontaminate.sets: no picture of {', '.join(sets)} can be decoded: name folders of "
        "pictures or WebDataset shards"
    )


def _encoded(files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for file in files:
        if Path(file).suffix.lower() == _TAR:
            yield from _of_tar(file)
        else:
            yield file, Path(file).read_bytes()


def _of_tar(path: str) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                is_picture = Path(member.name).suffix.lower() in _PICTURES
                content = tar.extractfile(member) if is_picture else None
                if content is not None:
                    yield f"{path}:{member.name}", content.read()
    except (tarfile.TarError, OSError) as error:
        raise RecipeError(
            f"decontaminate.sets: {path} cannot be read ({error}): copy it again"
        ) from None
