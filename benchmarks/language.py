"""What the language detectors know, and what they cost.

`language_texts.py` says where the texts come from. Each detector runs in a process of its own, on
texts that are all different (what repeats is remembered, and would flatter). English precision and
recall, speed and the bars are of the first three sets; the two harder ones show what is under them.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import msgspec

from language_texts import LANGUAGES, Labelled, gather
from webpairs_filters.language.detect import DetectorName, load_detector

BAR_SETS = ("emoji names", "word pairs", "sentences")
BARS = (88.0, 87.0, 99.0, 87.0, 87.0, 2_700.0)
"""Accuracies of the bar sets, English precision and recall in per cent; texts per CPU second."""
CLOSE = (("es", "pt", "it", "fr"), ("en", "de", "fr"), ("ar", "fa"), ("ja", "zh"), ("id", "ms"))


class Measured(NamedTuple):
    """What a detector said of all texts of the bar sets, then of the others; and what it took."""

    langs: list[str]
    load_cpu_s: float
    bar_cpu_s: float
    more_mb: float
    """Peak memory above that of the process before the detector was loaded."""


def measure(name: DetectorName, first: Sequence[str], rest: Sequence[str]) -> Measured:
    """Load the detector and ask it; in a fresh process."""
    before_mb, started = _peak_mb(), time.process_time()
    detector = load_detector(name)
    # lingua loads its models as it meets scripts; every 200th text meets them all.
    detector.detect([f"{text} {text}" for text in first[::200]])
    loaded = time.process_time()
    langs = [found.lang for found in detector.detect(first)]
    done = time.process_time()
    langs += [found.lang for found in detector.detect(rest)]
    return Measured(langs, loaded - started, done - loaded, _peak_mb() - before_mb)


def _peak_mb() -> float:
    """Of this program alone: getrusage's peak begins with that of the process which started it."""
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak) / 1024


def in_own_process(name: str, first: Sequence[str], rest: Sequence[str]) -> Measured | None:
    """`measure` in a child; None if the detector is not installed."""
    child = subprocess.run(
        [sys.executable, __file__, "--child", name],
        input=json.dumps([first, rest]),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return msgspec.json.decode(child.stdout, type=Measured) if child.returncode == 0 else None


def figures(sets: dict[str, list[Labelled]], found: Measured) -> list[float]:
    """Accuracy of each set, English precision and recall in the bar sets, texts per CPU second."""
    said = iter(found.langs)
    pairs = {name: [(text.lang, next(said)) for text in texts] for name, texts in sets.items()}
    accuracy = [100 * sum(a == b for a, b in one) / len(one) for one in pairs.values()]
    bar = [pair for name in BAR_SETS for pair in pairs[name]]
    n_right = sum(pair == ("en", "en") for pair in bar)
    precision = 100 * n_right / max(sum(lang == "en" for _, lang in bar), 1)
    recall = 100 * n_right / sum(truth == "en" for truth, _ in bar)
    return [*accuracy, precision, recall, len(bar) / found.bar_cpu_s]


def confusion(truths: Sequence[str], said: Sequence[str]) -> None:
    """Print who is taken for whom, in each group of close languages, and the worst of all."""
    counts = Counter(zip(truths, said, strict=True))
    for group in CLOSE:
        print("\n| is \\ said | " + " | ".join(group) + " | another |")
        print("| --- |" + " --- |" * (len(group) + 1))
        for truth in group:
            if truth in LANGUAGES:
                row = [counts[truth, lang] for lang in group]
                n_other = truths.count(truth) - sum(row)
                print(f"| {truth} | " + " | ".join(map(str, [*row, n_other])) + " |")
    wrong = [(n, a, b) for (a, b), n in counts.items() if a != b]
    print("\nMost often: " + ", ".join(f"{a} as {b} {n}" for n, a, b in sorted(wrong)[:-16:-1]))


def main() -> None:
    """Print the table of all detectors, the bars, and the confusions of the one asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="draws other texts")
    parser.add_argument("--detectors", nargs="*", default=get_args(DetectorName))
    parser.add_argument("--confusion", default="auto", help="the detector whose mistakes to print")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child, *json.load(sys.stdin))))
        return
    sets = gather(args.seed)
    first = [text for name in BAR_SETS for text in sets[name]]
    rest = [text for name in sets if name not in BAR_SETS for text in sets[name]]
    print(f"{len(first):,} texts for the bars, {len(rest):,} others; seed {args.seed}\n")
    columns = [*sets, "English P", "R", "texts / CPU s", "load CPU s", "MB"]
    print("| detector | " + " | ".join(columns) + " |\n| --- |" + " --- |" * len(columns))
    for name in args.detectors:
        found = in_own_process(name, [t.text for t in first], [t.text for t in rest])
        if found is None:
            print(f"| {name} | not installed |")
            continue
        values = figures(sets, found)
        cells = [*(f"{v:.1f}" for v in values[:-1]), f"{values[-1]:,.0f}"]
        print(f"| {name} | {' | '.join(cells)} | {found.load_cpu_s:.2f} | {found.more_mb:.0f} |")
        if name == args.confusion:
            shown = found.langs[: len(first)]
            judged = [*values[:3], *values[-3:]]
    if args.confusion in args.detectors:
        is_met = [value >= bar for value, bar in zip(judged, BARS, strict=True)]
        print(f"\n{args.confusion} against the bars {BARS}: {is_met}")
        confusion([text.lang for text in first], shown)


if __name__ == "__main__":
    main()
