"""Labelled images in a folder: what a model is judged on.

Either one sub-folder per class (its name, underscores as spaces, is the class name), or a
labels.jsonl with {"file", "label"} on each line. A classnames.txt, one name a line, may list more
classes than the folder shows (CLIP_benchmark's name for it): they are wrong answers to choose from.
"""

from pathlib import Path

import msgspec

from webpairs_core.errors import RecipeError

_IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}


class LabelledSet(msgspec.Struct, frozen=True):
    """Images with the numbers of their classes."""

    name: str
    classes: tuple[str, ...]
    images: tuple[Path, ...]
    labels: tuple[int, ...]


class _Label(msgspec.Struct, frozen=True):
    file: str
    label: str


def load_labelled(folder: Path) -> LabelledSet:
    """Read a folder of labelled images, in a stable order.

    Raises RecipeError when it is missing, empty, or names a class that classnames.txt has not.
    """
    if not folder.is_dir():
        raise RecipeError(f"eval.zeroshot: there is no folder {folder}")
    listing = folder / "labels.jsonl"
    pairs = _from_listing(listing) if listing.exists() else _from_folders(folder)
    if not pairs:
        raise RecipeError(
            f"eval.zeroshot: {folder} holds no labelled images: make one sub-folder for each "
            "class, or a labels.jsonl"
        )
    names = folder / "classnames.txt"
    if names.exists():
        lines = (line.strip() for line in names.read_text(encoding="utf-8").splitlines())
        classes = tuple(dict.fromkeys(line for line in lines if line))
    else:
        classes = tuple(sorted({label for _, label in pairs}))
    number = {name: i for i, name in enumerate(classes)}
    unknown = [label for _, label in pairs if label not in number]
    if unknown:
        raise RecipeError(f"eval.zeroshot: {names} does not list the class {unknown[0]!r}")
    return LabelledSet(
        folder.name,
        classes,
        tuple(path for path, _ in pairs),
        tuple(number[label] for _, label in pairs),
    )


def _from_listing(listing: Path) -> list[tuple[Path, str]]:
    pairs = []
    for number, line in enumerate(listing.read_bytes().splitlines(), 1):
        try:
            row = msgspec.json.decode(line, type=_Label)
        except msgspec.DecodeError as error:
            raise RecipeError(f"eval.zeroshot: {listing}, line {number}: {error}") from None
        pairs.append((listing.parent / row.file, row.label))
    return pairs


def _from_folders(folder: Path) -> list[tuple[Path, str]]:
    return [
        (path, path.parent.name.replace("_", " "))
        for path in sorted(folder.glob("*/*"))
        if path.suffix.lower() in _IMAGES
    ]
