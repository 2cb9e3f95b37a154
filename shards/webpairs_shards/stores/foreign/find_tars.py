"""Which tars somebody means: a folder, a tar, a brace list, a glob, or a list of those."""

import glob
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from webpairs_core.errors import ShardError
from webpairs_shards.format.layout import MANIFEST

Where = Path | str | Sequence[Path | str]

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?|([a-zA-Z])\.\.([a-zA-Z])")
_MOST = 1_000_000
"""Names that one pattern may stand for; 10 million shards would be 100 billion samples."""
_NAMED = 10


def find_tars(where: Where) -> list[Path]:
    """The tars that `where` stands for, in its order. Strings may have braces as in a shell,
    `*`, and `::` between parts, as webdataset has it.

    Raises ShardError that names each tar that is missing or given twice.
    """
    each = [where] if isinstance(where, Path | str) else where
    tars = [tar for one in each for tar in _tars(str(one))]
    if not tars:
        raise ShardError("the list of tars is empty: give one at least")
    missing = [str(tar) for tar in tars if not tar.is_file()]
    if missing:
        have = "is" if len(missing) == 1 else "are"
        raise ShardError(f"{listed(missing)} {have} missing: copy them, or leave them out")
    twice = [str(tar) for tar, n in Counter(tars).items() if n > 1]
    if twice:
        raise ShardError(f"{listed(twice)} given twice: for weights there is Mixture")
    return tars


def listed(names: Sequence[str]) -> str:
    """Names for a sentence: the first ten, and how many more there are."""
    left = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {left:,} more" if left > 0 else "")


def expand(pattern: str) -> list[str]:
    """What a shell makes of `a{00..19}b`, `{a,b}`, `{0..8..2}`, `{a..c}` and braces in braces.

    Raises ShardError for a brace without its other half and for a million names or more.
    """
    start = pattern.find("{")
    if start < 0:
        return [pattern]
    depth, cuts = 0, [start]
    for at in range(start, len(pattern)):
        depth += {"{": 1, "}": -1}.get(pattern[at], 0)
        if depth == 0:
            break
        if depth == 1 and pattern[at] == ",":
            cuts.append(at)
    else:
        raise ShardError(f"{pattern} has a {{ without its }}")
    inside = pattern[start + 1 : at]
    span = _RANGE.fullmatch(inside)
    if len(cuts) > 1:
        middles = [m for a, b in pairwise([*cuts, at]) for m in expand(pattern[a + 1 : b])]
    elif span:
        middles = _range(pattern, span)
    else:
        middles = [f"{{{each}}}" for each in expand(inside)]
    rests = expand(pattern[at + 1 :])
    _check_count(pattern, len(middles) * len(rests))
    return [pattern[:start] + middle + rest for middle in middles for rest in rests]


def _range(pattern: str, span: re.Match[str]) -> list[str]:
    first, last, step, first_letter, last_letter = span.groups()
    if first_letter:
        a, b = ord(first_letter), ord(last_letter)
        return [chr(each) for each in range(a, b + 1)] or [chr(c) for c in range(a, b - 1, -1)]
    a, b, by = int(first), int(last), abs(int(step or 1)) or 1
    _check_count(pattern, abs(b - a) // by)
    numbers = range(a, b + 1, by) if a <= b else range(a, b - 1, -by)
    # As bash: all are as wide as the wider end when one of them starts with a zero.
    is_padded = any(end.lstrip("-").startswith("0") and len(end) > 1 for end in (first, last))
    width = max(len(first), len(last)) if is_padded else 0
    return [f"{number:0{width}d}" for number in numbers]


def _check_count(pattern: str, n: int) -> None:
    if n >= _MOST:
        raise ShardError(f"{pattern} stands for {n:,} names or more: is there a digit too many?")


def _tars(where: str) -> Iterator[Path]:
    path = Path(where)
    if path.is_dir():
        yield from _folder(path)
        return
    if path.exists():
        yield path
        return
    for part in where.split("::"):
        for name in expand(part):
            if not Path(name).exists() and glob.has_magic(name):
                found = [Path(each) for each in sorted(glob.glob(name))]  # noqa: PTH207
                if not found:
                    raise ShardError(f"nothing is called {name}: give tars that are there")
                yield from found
            elif Path(name).is_dir():
                yield from _folder(Path(name))
            else:
                yield Path(name)


def _folder(folder: Path) -> list[Path]:
    if (folder / MANIFEST).exists():
        raise ShardError(
            f"{folder} has a {MANIFEST} of its own: open it alone, and put both into a Mixture"
        )
    tars = sorted(folder.glob("*.tar"))
    if not tars:
        raise ShardError(f"{folder} holds no .tar: give a folder of WebDataset tars, unpacked")
    return tars
