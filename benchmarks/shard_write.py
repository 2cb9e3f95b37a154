"""Samples and MB per second of `webpairs shard` (plan and shard stages), start-up included.

The samples have random pHashes, so the search for near-duplicates is done in full and finds none.
"""

import argparse
import tempfile
from pathlib import Path

from make_samples import make_samples
from measure import cost_of, report


def main() -> None:
    """Make samples, shard them, print two JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=40_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_samples(folder / "out", args.samples)
        recipe = folder / "bench.toml"
        recipe.write_text('name = "bench"\n')
        cost = cost_of("shard", recipe, "--out", folder / "out")
        info = cost.result["stages"]["shard"]["info"]
        report("shard", "samples", info["n_samples"], cost)
        report("shard", "MB", round(info["bytes"] / 1e6), cost)


if __name__ == "__main__":
    main()
