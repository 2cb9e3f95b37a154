"""Captions per CPU second against 500,000 entries: the whole of balance, and the bare matcher.

`bare` is ahocorasick_rs over captions that are padded and lower-case already, its answers thrown
away; `dict` is the n-grams of words looked up in a dict, what one would write without a library;
`match` is ours from raw captions to lists of entries; `balance` counts, finds the cutoffs and
judges as well. The forms take turns, the least CPU time of each counts; peak memory is of a process
of its own, captions (about 25 MB) included. All must find the same matches.
"""

import argparse
import multiprocessing
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import ahocorasick_rs
import numpy as np
import pyarrow as pa

from measure import Cost, report
from webpairs_filters.balance.match import Matcher
from webpairs_filters.balance.settle import Lottery, Matched, count_corpus, settle
from webpairs_filters.balance.spacing import spaced
from webpairs_filters.balance.unspaced import pattern

SYLLABLES = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 3_000)]
N_WORDS, N_HAN_WORDS = 150_000, 50_000
CAPTION_WORDS = 9
BATCH_ROWS = 8_192


class Size(NamedTuple):
    entries: int
    captions: int
    per_entry: int
    han: float
    """Share of captions and of entries that are Chinese."""


def words(rng: random.Random, letters: list[str], n: int, longest: int) -> list[str]:
    """Distinct pseudo-words."""
    made: dict[str, None] = {}
    while len(made) < n:
        made["".join(rng.choices(letters, k=rng.randint(1, longest)))] = None
    return list(made)


def captions(size: Size) -> list[str]:
    """Words as frequent as in natural text (Zipf); capitals, commas, points, some not ASCII."""
    rng = random.Random(0)
    draw = np.random.default_rng(0)
    plain, han = words(rng, SYLLABLES, N_WORDS, 4), words(rng, HAN, N_HAN_WORDS, 3)
    made = []
    for row in _zipf(draw, N_WORDS, size.captions):
        text = " ".join(plain[i] for i in row).capitalize()
        if rng.random() < 0.5:
            text = text.replace(" ", ", ", 1) + "."
        if rng.random() < 0.1:
            text += " café"
        made.append(text)
    n_han = int(size.captions * size.han)
    for place, row in enumerate(_zipf(draw, N_HAN_WORDS, n_han)):
        made[place] = "".join(han[i] for i in row)
    return made


def _zipf(draw: np.random.Generator, n_words: int, n_rows: int) -> Iterator[list[int]]:
    weights = 1 / np.arange(1, n_words + 1)
    for start in range(0, n_rows, 20_000):
        n = min(20_000, n_rows - start)
        yield from draw.choice(n_words, (n, CAPTION_WORDS), p=weights / weights.sum()).tolist()


def entries(size: Size, texts: list[str]) -> list[str]:
    """The corpus' words, word pairs of the corpus, and pseudo-words that it may hold or not."""
    rng = random.Random(1)
    n_han = int(size.entries * size.han)
    made = dict.fromkeys(words(rng, HAN, n_han, 4))
    for text in texts[int(size.captions * size.han) :]:
        made.update(dict.fromkeys(w for w in spaced(text, ignore_case=True).split() if len(w) > 1))
        if len(made) > size.entries // 2:
            break
    while len(made) < size.entries:
        some = spaced(rng.choice(texts), ignore_case=True).split()
        at = rng.randrange(max(1, len(some) - 2))
        made[" ".join(some[at : at + rng.choice((2, 2, 3))])] = None
        made["".join(rng.choices(SYLLABLES, k=5))] = None
    return list(made)[: size.entries]


class Bare:
    def __init__(self, size: Size) -> None:
        texts = captions(size)
        self._automaton = ahocorasick_rs.AhoCorasick([pattern(e) for e in entries(size, texts)])
        self._padded = [f" {spaced(text, ignore_case=True)} " for text in texts]

    def run(self) -> None:
        find = self._automaton.find_matches_as_indexes
        for text in self._padded:
            find(text, overlapping=True)

    def n_matches(self) -> int:
        find = self._automaton.find_matches_as_indexes
        return sum(len({m[0] for m in find(text, overlapping=True)}) for text in self._padded)


class Dict:
    def __init__(self, size: Size) -> None:
        self._texts = captions(size)
        listed = entries(size, self._texts)
        self._numbers = {entry: number for number, entry in enumerate(listed)}
        self._longest = max(entry.count(" ") for entry in listed) + 1

    def run(self) -> None:
        self.n_matches()

    def n_matches(self) -> int:
        total = 0
        for text in self._texts:
            some = spaced(text, ignore_case=True).split(" ")
            n = len(some)
            total += len(
                {
                    self._numbers.get(" ".join(some[i:j]))
                    for i in range(n)
                    for j in range(i + 1, min(n, i + self._longest) + 1)
                }
                - {None}
            )
        return total


class Match:
    def __init__(self, size: Size) -> None:
        texts = captions(size)
        self._matcher = Matcher(entries(size, texts))
        self._texts = pa.array(texts)
        self._size = size

    def matches(self) -> Iterator[pa.ListArray]:
        for start in range(0, len(self._texts), BATCH_ROWS):
            yield self._matcher.match(self._texts[start : start + BATCH_ROWS])

    def run(self) -> None:
        for _ in self.matches():
            pass

    def n_matches(self) -> int:
        return sum(len(matches.values) for matches in self.matches())


class Balance(Match):
    def __init__(self, size: Size) -> None:
        super().__init__(size)
        self._lottery = Lottery(self._matcher.entries, 0)

    def run(self) -> None:
        keys = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16),
            len(self._texts),
            [None, pa.py_buffer(np.random.default_rng(2).bytes(16 * len(self._texts)))],
        )
        corpus: list[Matched] = []
        for start, matches in zip(range(0, len(keys), BATCH_ROWS), self.matches(), strict=True):
            corpus.append(Matched(keys[start : start + BATCH_ROWS], matches))
        settled = settle(
            lambda: corpus,
            self._lottery,
            count_corpus(corpus, len(self._matcher.entries)),
            self._size.per_entry,
            "clip",
        )
        for some in corpus:
            settled.reasons(some)


FORMS: dict[str, type[Bare | Dict | Match]] = {
    "bare": Bare,
    "dict": Dict,
    "match": Match,
    "balance": Balance,
}


def timed(run: Callable[[], None]) -> tuple[float, float]:
    """CPU and wall seconds of one run."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


def peak_mb(name: str, size: Size) -> float:
    """Of a process that makes this form and runs it once."""
    FORMS[name](size).run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print a JSON line for each form; how they compare goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--captions", type=int, default=200_000)
    parser.add_argument("--per-entry", type=int, default=100)
    parser.add_argument("--han", type=float, default=0.0, help="share that is Chinese")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    size = Size(args.entries, args.captions, args.per_entry, args.han)
    # Words and substrings are not the same in Chinese: the dict has no answer there.
    names = [name for name in FORMS if not (name == "dict" and size.han)]
    peaks = {}
    for name in names:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peaks[name] = pool.apply(partial(peak_mb, name, size))
    forms = {name: FORMS[name](size) for name in names}
    found = {name: form.n_matches() for name, form in forms.items()}
    assert len(set(found.values())) == 1, found
    times = {
        name: min(runs)
        for name, runs in zip(
            names,
            zip(*([timed(forms[n].run) for n in names] for _ in range(args.rounds)), strict=True),
            strict=True,
        )
    }
    for name, (cpu_s, wall_s) in times.items():
        report(f"balance, {name}", "captions", size.captions, Cost(wall_s, cpu_s, peaks[name], {}))
        ratio = cpu_s / times["bare"][0]
        print(f"{name}: {ratio:.2f} times the bare matcher's CPU", file=sys.stderr)
    print(f"{found['bare']:,} matches in each", file=sys.stderr)


if __name__ == "__main__":
    main()
