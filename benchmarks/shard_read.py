"""Samples per second read from shards (not decoded): our stream, shuffled over everything, beside
webdataset in the order of the tars and with its shuffle buffer. One process, page cache warm."""

import argparse
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from make_samples import make_samples
from measure import Cost, cost_of, report
from webpairs_shards.read.reader import open_shards

N_WARM = 100
"""Samples read before the clock starts."""


def measure(name: str, n: int, samples: Callable[[], Iterable[object]]) -> None:
    """Read `n` samples and print one JSON line."""
    stream = iter(samples())
    for _ in islice(stream, N_WARM):
        pass
    wall, cpu = time.perf_counter(), time.process_time()
    n_read = sum(1 for _ in islice(stream, n - N_WARM))
    cost = Cost(
        time.perf_counter() - wall,
        time.process_time() - cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        {},
    )
    report(name, "samples", n_read, cost)


def main() -> None:
    """Make shards, read them in each way, print a JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_samples(folder / "out", args.samples)
        recipe = folder / "bench.toml"
        recipe.write_text('name = "bench"\n[shards]\nsamples_per_shard = 1000\n')
        cost_of("shard", recipe, "--out", folder / "out")
        shards = folder / "out" / "shards"
        tars = [str(path) for path in sorted(shards.glob("*.tar"))]
        reader = open_shards(shards)
        measure("read, warm-up", reader.n_samples, lambda: reader.stream(0))
        measure("read, global shuffle", reader.n_samples, lambda: reader.stream(1))
        bare = open_shards(shards, is_checked=False)
        measure("read, global shuffle, no checksums", reader.n_samples, lambda: bare.stream(2))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import webdataset

            plain = webdataset.WebDataset(tars, shardshuffle=False)
            measure("read, webdataset in order", reader.n_samples, lambda: plain)
            shuffled = webdataset.WebDataset(tars, shardshuffle=100).shuffle(1000)
            measure("read, webdataset shuffle 1000", reader.n_samples, lambda: shuffled)


if __name__ == "__main__":
    main()
