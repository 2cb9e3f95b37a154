"""The layout of CLIP_benchmark and datacomp's evaluation sets: ROOT/{train,test}/{0,1…}.tar, each
folder with nshards.txt; ROOT/classnames.txt; ROOT/dataset_type.txt, which says classification (also
when it is absent) or retrieval."""

from collections.abc import Iterator
from pathlib import Path

from webpairs_shards.check.findings import Seen

_NSHARDS = "nshards.txt"
_CLASSNAMES = "classnames.txt"
_TYPE = "dataset_type.txt"
_MAX_BYTES = 64 * 2**20


def is_clip_benchmark(folder: Path) -> bool:
    """Whether `folder` is a split of such a dataset."""
    return (folder / _NSHARDS).exists() or (
        (folder.parent / _CLASSNAMES).exists() and folder.name in ("train", "test")
    )


def is_labelled(folder: Path) -> bool:
    """Whether the samples of a split have a class in place of captions."""
    text = _read(folder.parent / _TYPE)
    return text is None or text.strip().lower() != "retrieval"


def check_split(folder: Path, names: list[str]) -> Iterator[Seen]:
    """Hold nshards.txt and classnames.txt against the shards of a split."""
    text = _read(folder / _NSHARDS)
    wanted = {f"{number}.tar" for number in range(len(names))}
    if text is None:
        yield Seen("nshards_wrong", _NSHARDS, detail="is missing or not UTF-8")
    elif text.strip() != str(len(names)):
        detail = f"says {text.strip()[:40]!r}, there are {len(names):,} tars"
        yield Seen("nshards_wrong", _NSHARDS, detail=detail)
    elif wanted != set(names):
        detail = f"{sorted(wanted - set(names))[0]} is missing"
        yield Seen("nshards_wrong", _NSHARDS, detail=detail)
    if is_labelled(folder) and not n_classes(folder):
        yield Seen("classnames_missing", _CLASSNAMES)


def n_classes(folder: Path) -> int:
    """The lines of classnames.txt; 0 where there is none to read."""
    return len((_read(folder.parent / _CLASSNAMES) or "").strip("\n").splitlines())


def _read(path: Path) -> str | None:
    try:
        return None if path.stat().st_size > _MAX_BYTES else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
