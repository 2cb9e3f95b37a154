"""Numbers of samples that lie beside tars: sizes.json (open_clip's) and NAME_stats.json
(img2dataset's)."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from webpairs_core.errors import ShardCorrupt
from webpairs_shards.format.layout import SIZES

T = TypeVar("T")


class _Stats(msgspec.Struct):
    """What img2dataset writes when a shard is finished."""

    successes: int | None = None


def read_counts(folder: Path) -> dict[str, int] | None:
    """sizes.json: samples by name of the tar; None where there is none. Raises ShardCorrupt when it
    is damaged."""
    return _read(folder / SIZES, dict[str, int])


def miscounted(counted: Mapping[Path, int], *, is_whole: bool) -> list[str]:
    """What is wrong with the numbers of samples counted in tars; where they are a whole folder,
    also which tars of sizes.json are missing."""
    problems: list[str] = []
    sizes: dict[Path, dict[str, int]] = {}
    for folder in dict.fromkeys(tar.parent for tar in counted):
        try:
            sizes[folder] = read_counts(folder) or {}
        except ShardCorrupt as error:
            problems.append(str(error))
            continue
        if is_whole:
            gone = [name for name in sizes[folder] if not (folder / name).is_file()]
            problems += [f"{folder / name} is missing: {SIZES} counts it" for name in gone]
    for tar, n in counted.items():
        try:
            stats = _read(tar.with_name(f"{tar.stem}_stats.json"), _Stats)
        except ShardCorrupt as error:
            problems.append(str(error))
            continue
        said = {
            SIZES: sizes.get(tar.parent, {}).get(tar.name),
            f"{tar.stem}_stats.json": stats.successes if stats else None,
        }
        problems += [
            f"{tar} holds {n:,} samples where {name} says {wanted:,}: copy both again"
            for name, wanted in said.items()
            if wanted not in (None, n)
        ]
    return problems


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise ShardCorrupt(f"{path} is damaged ({error}): copy it again") from None
