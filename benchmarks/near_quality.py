"""What near duplicates by pHash find on real copies: precision and recall for each distance.

`near_quality.py FOLDER`: every picture under it, hashed as the shard stage hashes it. Two files are
the same picture when their names begin with the same stem, before the first dot (site/iot of the
data pack: a picture, re-encoded, with its words translated). A pair is two files; `pairs` counts
all of them, `dropped` what the stage does: files that go because a kept one is near, and whether
that one is the same picture. Recall of dropped: against all files but one of each picture. The row
`bytes` is equality of the files; `re-encoded` is the recall of pairs that differ in bytes.
"""

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from webpairs_core.records import Outcome
from webpairs_filters.duplicates.near import near_duplicates
from webpairs_shards.image.process import process_image
from webpairs_shards.options import ImageSection

MAX_DISTANCE = 10
ALL = ImageSection(min_side_px=1, max_aspect=10_000)
Hashes = npt.NDArray[np.uint64]


def hashed(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """The stem, the pHash, the pixels and half a digest of each picture."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".png", ".jpg", ".gif"):
            continue
        data = path.read_bytes()
        made = process_image(data, ALL)
        if made.outcome is Outcome.OK:
            digest = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
            yield (
                path.name.partition(".")[0],
                made.phash,
                made.original_width * made.original_height,
                digest,
            )


class Files(NamedTuple):
    """One row for each picture, in the order of the keeper's rank."""

    stems: npt.NDArray[np.int64]
    phashes: Hashes
    digests: Hashes


def row(title: str, files: Files, hashes: Hashes, distance: int) -> str:
    """A row of the table: what is found when `hashes` are within the distance."""
    stems = files.stems
    above = np.triu_indices(len(hashes), 1)
    is_same = stems[above[0]] == stems[above[1]]
    is_found = np.bitwise_count(hashes[above[0]] ^ hashes[above[1]]) <= distance
    keeper = near_duplicates(hashes, np.arange(len(hashes)), distance)
    dropped = np.flatnonzero(keeper >= 0)
    n_right = int((stems[dropped] == stems[keeper[dropped]]).sum())
    n_copies = len(hashes) - len(np.unique(stems))
    n_both = int((is_found & is_same).sum())
    is_other = is_same & (files.digests[above[0]] != files.digests[above[1]])
    n_other = int((is_found & is_other).sum())
    return (
        f"| {title} | {is_found.sum():,} | {100 * n_both / max(1, is_found.sum()):.1f} "
        f"| {100 * n_both / is_same.sum():.1f} | {100 * n_other / is_other.sum():.1f} "
        f"| {len(dropped)} "
        f"| {100 * n_right / max(1, len(dropped)):.1f} | {100 * n_right / n_copies:.1f} |"
    )


def main() -> None:
    """Print the table, and the different pictures that are taken for one at distance 4."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=int, default=10, help="how many of those pairs")
    args = parser.parse_args()
    names, phashes, pixels, digests = zip(*hashed(args.folder), strict=True)
    best_first = np.argsort(-np.array(pixels), kind="stable")
    names_in_order = np.array(names)[best_first]
    _, stems = np.unique(names_in_order, return_inverse=True)
    hashes = np.array(phashes, np.uint64)[best_first]
    files = Files(stems, hashes, np.array(digests, np.uint64)[best_first])
    print(f"{len(stems)} files of {len(np.unique(stems))} pictures\n")
    print(
        "| distance | pairs | precision % | recall % | re-encoded % | dropped | precision % "
        "| recall % |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(row("bytes", files, files.digests, 0))
    for distance in range(MAX_DISTANCE + 1):
        print(row(str(distance), files, hashes, distance))
    keeper = near_duplicates(hashes, np.arange(len(hashes)), 4)
    wrong = [i for i in np.flatnonzero(keeper >= 0).tolist() if stems[i] != stems[keeper[i]]]
    print(f"\n{len(wrong)} dropped at distance 4 for another picture:")
    for i in wrong[: args.show]:
        apart = int(hashes[i] ^ hashes[keeper[i]]).bit_count()
        print(f"* {names_in_order[i]} for {names_in_order[keeper[i]]}, {apart} bits apart")


if __name__ == "__main__":
    main()
