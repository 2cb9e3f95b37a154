"""Samples per second read from shards (not decoded): our stream, shuffled over everything, beside
webdataset in the order of the tars and with its shuffle buffer. One process, page cache warm."""

import argparse
import tempfile
import warnings
from pathlib import Path

from make_samples import make_samples
from measure import cost_of, report_stream
from webpairs_shards.read.open import open_shards


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
        report_stream("read, warm-up", reader.n_samples, reader.stream(0))
        report_stream("read, global shuffle", reader.n_samples, reader.stream(1))
        bare = open_shards(shards, is_checked=False)
        report_stream("read, global shuffle, no checksums", reader.n_samples, bare.stream(2))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import webdataset

            plain = webdataset.WebDataset(tars, shardshuffle=False)
            report_stream("read, webdataset in order", reader.n_samples, plain)
            shuffled = webdataset.WebDataset(tars, shardshuffle=100).shuffle(1000)
            report_stream("read, webdataset shuffle 1000", reader.n_samples, shuffled)


if __name__ == "__main__":
    main()
