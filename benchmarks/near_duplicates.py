"""All near pairs of 64-bit hashes: ours beside the plain numpy bands, each in a process of its own.

The plain bands cut the bits into D + 2 blocks and sort the rows by each two of them. Both find
every pair, so the pairs must be the same ones. Three sets: `even`, random hashes of which a tenth
are copies at distance 0 to 10; `copies`, the same with copies in clusters of up to some thousand;
`blank`, the same as `even` but a tenth of all rows within 4 bits of one hash, half of those equal
to it.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from webpairs_filters.duplicates.near import near_duplicates
from webpairs_filters.duplicates.near_pairs import pairs_within

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
MAX_DISTANCE = 10
CASES = (
    ("even", 10_000_000, 4),
    ("even", 1_000_000, 8),
    ("copies", 1_000_000, 4),
    ("blank", 1_000_000, 4),
    ("blank", 1_000_000, 8),
)
METHODS = ("plain bands, all pairs", "webpairs, all pairs", "webpairs, who is kept")
CHUNK_PAIRS = 1 << 20
MEMORY_BYTES = 4_000_000_000


def flipped(hashes: Hashes, n_bits: npt.NDArray[np.int64], rng: np.random.Generator) -> Hashes:
    """Each hash with that many of its bits, all different, turned."""
    result = hashes.copy()
    # The next bit is drawn among the places not yet used: a step by an odd number visits all 64.
    start, step = rng.integers(0, 64, len(hashes)), 2 * rng.integers(0, 32, len(hashes)) + 1
    for i in range(int(n_bits.max(initial=0))):
        bit = np.uint64(1) << ((start + i * step) % 64).astype(np.uint64)
        result = np.where(i < n_bits, result ^ bit, result)
    return result


def make(kind: str, n: int) -> tuple[Hashes, Places, Places]:
    """The hashes, and of the last tenth (the copies) the row copied and the distance to it."""
    rng = np.random.default_rng(n)
    hashes = rng.integers(0, 2**64, n, dtype=np.uint64)
    n_copies = n // 10
    n_others = n - n_copies
    if kind == "blank":
        blank = rng.choice(n_others, n // 10, replace=False)
        hashes[blank] = flipped(
            np.full(len(blank), 7, np.uint64), rng.choice([0, 0, 0, 0, 1, 2, 3, 4], len(blank)), rng
        )
    row = rng.integers(0, n_others, n_copies)
    if kind == "copies":
        row = np.minimum(rng.zipf(1.5, n_copies), n_others) - 1
    apart = np.arange(n_copies) % (MAX_DISTANCE + 1)
    hashes[n_others:] = flipped(hashes[row], apart, rng)
    return hashes, row, apart


def plain_bands(hashes: Hashes, distance: int) -> Places:
    """All pairs i < j as i << 32 | j, by the C(D + 2, 2) tables of research; nothing clever."""
    n_blocks = distance + 2
    edges = [64 * i // n_blocks for i in range(n_blocks + 1)]
    found = []
    for two in combinations(range(n_blocks), 2):
        keys = hashes & np.uint64(sum((1 << edges[b + 1]) - (1 << edges[b]) for b in two))
        order = np.argsort(keys)
        keys = keys[order]
        ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]) + 1, len(keys))
        n_after = np.repeat(ends, np.diff(ends, prepend=0)) - np.arange(len(keys)) - 1
        for one, other in candidates(n_after):
            i, j = order[one], order[other]
            is_near = np.bitwise_count(hashes[i] ^ hashes[j]) <= distance
            i, j = i[is_near], j[is_near]
            found.append(np.minimum(i, j) << 32 | np.maximum(i, j))
    return np.unique(np.concatenate(found))


def candidates(n_after: Places) -> Iterator[tuple[Places, Places]]:
    """Each place with the `n_after` places behind it, about CHUNK_PAIRS pairs at a time."""
    total = np.cumsum(n_after)
    start = 0
    while start < len(n_after):
        before = total[start] - n_after[start]
        stop = max(start + 1, int(np.searchsorted(total, before + CHUNK_PAIRS, side="right")))
        n = n_after[start:stop]
        one = np.repeat(np.arange(start, stop), n)
        first = total[start:stop] - n - before
        yield one, one + 1 + np.arange(len(one)) - np.repeat(first, n)
        start = stop


def measure(method: str, kind: str, n: int, distance: int) -> dict[str, object]:
    """Run one method on one set in this process."""
    hashes, row, apart = make(kind, n)
    started = time.process_time()
    if method == "webpairs, who is kept":
        dropped = near_duplicates(hashes, np.arange(n), distance) >= 0
        return {"cpu_s": time.process_time() - started, "found": int(dropped.sum())}
    if method == "plain bands, all pairs":
        pairs = plain_bands(hashes, distance)
    else:
        found = pairs_within(hashes, distance, MEMORY_BYTES // 32)
        if found is None:
            raise MemoryError
        pairs = found
    cpu_s = time.process_time() - started
    planted = (row << 32 | np.arange(n - len(row), n))[apart <= distance]
    return {
        "cpu_s": cpu_s,
        "found": len(pairs),
        "recall": float(np.isin(planted, pairs).mean()),
        "digest": hashlib.sha256(pairs.tobytes()).hexdigest(),
    }


def child(case: list[str]) -> None:
    """Print what `measure` says as JSON; a method that needs more than 4 GB says only that."""
    method, kind, n, distance = case
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        result = measure(method, kind, int(n), int(distance))
    except MemoryError:
        result = {}
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


def compare(case: tuple[str, int, int], limit_s: int) -> None:
    """Print a row for each method."""
    kind, n, distance = case
    digests = set()
    plain_s = 0.0
    for method in METHODS:
        words = [sys.executable, __file__, "--case", method, kind, str(n), str(distance)]
        # One thread: numpy's own threads would reserve memory that the limit counts.
        own = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        title = f"| {kind} | {n:,} | {distance} | {method} |"
        try:
            done = subprocess.run(
                words, stdout=subprocess.PIPE, check=True, timeout=limit_s, env=own
            )
        except subprocess.TimeoutExpired:
            print(f"{title} over {limit_s} s | | | |", flush=True)
            continue
        result = json.loads(done.stdout)
        if "cpu_s" not in result:
            print(f"{title} over 4 GB | | | |", flush=True)
            continue
        digests |= {result["digest"]} if "digest" in result else set()
        plain_s = plain_s or (result["cpu_s"] if method == METHODS[0] else 0.0)
        times = f"{plain_s / result['cpu_s']:.1f}" if plain_s else ""
        recall = f"{result['recall']:.4f}" if "recall" in result else ""
        print(
            f"{title} {result['cpu_s']:.2f} | {times} | {result['peak_mb']} | "
            f"{result['found']:,} | {recall} |",
            flush=True,
        )
    if len(digests) > 1:
        sys.exit("the methods disagree about the pairs")


def main() -> None:
    """Compare all cases, or the one that is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=4, help="one method, set, number of hashes, distance")
    parser.add_argument("--only", nargs=3, help="a set, a number of hashes and a distance")
    parser.add_argument("--limit-s", type=int, default=900, help="for one method on one set")
    args = parser.parse_args()
    if args.case:
        child(args.case)
        return
    print("| set | hashes | D | method | CPU s | times plain | peak MB | found | recall |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    only = [(args.only[0], int(args.only[1]), int(args.only[2]))] if args.only else CASES
    for case in only:
        compare(case, args.limit_s)


if __name__ == "__main__":
    main()
