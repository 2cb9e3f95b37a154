"""webpairs' fetch stage beside img2dataset: the same pictures, list, nginx and machine, in one run.

    python benchmarks/fetch_against.py --corpus FOLDER --peer PYTHON [--peer PYTHON]...

Each --peer is the interpreter of an environment with img2dataset in it; runs alternate, medians are
printed. CPU is that of the whole tree of processes of a tool; start-up is the same command on 8
pictures, and the CPU of one picture is what the others add to that. The pictures are compared with
Pillow's whole decode and LANCZOS. The last row is webpairs' next stage, which img2dataset has not:
its shards keep the order of arrival, ours are shuffled, cleaned of near duplicates and checked.

With one host (--hosts 1) all connections are kept alive, which urllib never does; with many, each
is asked for robots.txt and its opt-out files first, which img2dataset never does.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from fetch_tools import Img2dataset, Tool, Webpairs, Work
from fidelity import fidelity
from image_corpus import add_corpus_options, corpus, statistics
from nginx import Served, nginx

N_START = 8
"""Pictures of the run that measures the start-up."""
N_COMPARED = 400
"""Pictures decoded again to be compared."""


class Once(NamedTuple):
    """One repeat of a tool: the list, and the first few of it."""

    cpu_s: float
    start_s: float
    wall_s: float
    peak_mb: float
    kept: int


def measured(tool: Tool, urls: Sequence[str], bundle: Path, folder: Path) -> Once:
    """Run the tool on all and on few; what it made of all of them stays in `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    few = folder.with_name("few")
    start, _ = tool.run(urls[:N_START], few, bundle)
    shutil.rmtree(few)
    cost, kept = tool.run(urls, folder, bundle)
    return Once(cost.cpu_s, start.cpu_s, cost.wall_s, cost.peak_mb, kept)


def print_table(n: int, runs: dict[tuple[str, str], list[Once]]) -> None:
    """One row for each scheme and tool; ratios are the tool's CPU over webpairs' CPU."""
    print(
        "\n| scheme | tool | stored | images per CPU s | CPU ms an image, start-up spread | "
        "start-up CPU s | CPU ms a further image | wall s | peak MB | "
        "CPU / webpairs', whole | further |"
    )
    print("| --- | --- " + "| ---: " * 9 + "|")
    for (scheme, name), found in runs.items():
        ours = runs[scheme, "webpairs"]
        cpu_s, start_s = median(o.cpu_s for o in found), median(o.start_s for o in found)
        whole = cpu_s / median(o.cpu_s for o in ours)
        further = further_ms(n, found)
        spread = "–".join(f"{1000 * pick(o.cpu_s for o in found) / n:.2f}" for pick in (min, max))
        print(
            f"| {scheme} | {name} | {min(o.kept for o in found):,} | {n / cpu_s:.1f} "
            f"| {1000 * cpu_s / n:.2f} ({spread}) | {start_s:.2f} | {further:.2f} "
            f"| {median(o.wall_s for o in found):.1f} | {median(o.peak_mb for o in found):.0f} "
            f"| {whole:.2f} | {further / further_ms(n, ours):.2f} |"
        )


def further_ms(n: int, found: list[Once]) -> float:
    """CPU of one more image: the median of the repeats."""
    return median(1000 * (o.cpu_s - o.start_s) / (n - N_START) for o in found)


def print_fidelity(tool: Tool, folder: Path, originals: Path) -> None:
    """Compare what a run stored with its originals."""
    stored = sorted(tool.stored(folder), key=lambda pair: pair[0].rsplit("/", 1)[1])
    pairs = ((originals / url.rsplit("/", 1)[1], data) for url, data in stored)
    found = fidelity(islice(pairs, N_COMPARED))
    print(
        f"| {tool.name} | {found.n} | {found.psnr_db:.1f} | {found.worst_db:.1f} "
        f"| {found.mean_kb:.1f} |",
        flush=True,
    )


def compare(args: argparse.Namespace, pictures: list[Path], served: Served, folder: Path) -> None:
    """All repeats, then the tables."""
    work = Work(format=args.format, processes=args.processes, in_flight=args.in_flight)
    ours = Webpairs(sys.executable, work)
    tools: list[Tool] = [ours, *(Img2dataset(peer, work) for peer in args.peer)]
    schemes = ("http", "https") if args.scheme == "both" else (args.scheme,)
    runs: dict[tuple[str, str], list[Once]] = defaultdict(list)
    n_all = args.repeats * len(schemes) * len(tools)
    for _ in range(args.repeats):
        for scheme in schemes:
            urls = [served.url(scheme, path.name, i) for i, path in enumerate(pictures)]
            for i, tool in enumerate(tools):
                once = measured(tool, urls, served.bundle, folder / f"tool-{i}")
                runs[scheme, tool.name].append(once)
                done = sum(map(len, runs.values()))
                print(f"{done}/{n_all} {scheme} {tool.name}: {once}", file=sys.stderr)
    print_table(len(pictures), runs)
    shard = ours.shard(folder / "tool-0", served.bundle)
    n = len(pictures)
    print(f"\nwebpairs' shard stage after it: {shard.cpu_s:.2f} CPU s in all, {n:,} pictures")
    print(
        "\n| stored by | pictures | PSNR dB | 5th percentile | kB |\n| --- " + "| ---: " * 4 + "|"
    )
    for i, tool in enumerate(tools):
        print_fidelity(tool, folder / f"tool-{i}", pictures[0].parent)


def main() -> None:
    """Make the corpus unless it is there, serve it, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    add_corpus_options(parser)
    parser.add_argument("--peer", type=Path, action="append", default=[], help="an interpreter")
    parser.add_argument("--scheme", choices=("http", "https", "both"), default="both")
    parser.add_argument("--format", choices=("jpg", "webp"), default="jpg")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if args.n <= N_START:
        parser.error(f"--n must be more than {N_START}, which measure the start-up")
    pictures = corpus(args.corpus, args.n, args.photos)
    print(statistics(pictures))
    print(f"{args.format}, {args.processes} processes, {os.cpu_count()} cores, {args.hosts} hosts")
    with (
        nginx(pictures[0].parent, args.hosts) as served,
        tempfile.TemporaryDirectory(prefix="against-") as name,
    ):
        compare(args, pictures, served, Path(name))


if __name__ == "__main__":
    main()
