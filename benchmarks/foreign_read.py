"""Tars of others, as img2dataset leaves them (a pax header before each member): the walk that opens
them, the same from the index cache, our stream shuffled over everything, webdataset in the order of
the tars. One process, page cache warm."""

import argparse
import json
import random
import resource
import tempfile
import time
import warnings
from pathlib import Path

import webdataset

from measure import Cost, report, report_stream
from webpairs_shards import ForeignOptions, open_shards

_PER_TAR = 1_000


def main() -> None:
    """Make tars, read them in each way, print a JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        folder.mkdir()
        for number in range(args.samples // _PER_TAR):
            _make(folder / f"{number:05d}.tar", number)
        n = args.samples // _PER_TAR * _PER_TAR
        options = ForeignOptions(index_cache=Path(name) / "index")
        _report_opening("foreign, walk", n, folder, ForeignOptions())
        open_shards(folder, foreign=options)
        _report_opening("foreign, walk from the index cache", n, folder, options)
        reader = open_shards(folder, foreign=options)
        report_stream("foreign, read, global shuffle", n, reader.stream(1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tars = [str(path) for path in sorted(folder.glob("*.tar"))]
            plain = webdataset.WebDataset(tars, shardshuffle=False)
            report_stream("foreign, webdataset in order", n, plain)


def _make(path: Path, number: int) -> None:
    """1,000 samples of some 20 KB. The images are noise behind three bytes of a JPEG: nobody
    decodes them here."""
    draw = random.Random(number)
    with webdataset.TarWriter(str(path)) as tar:
        for i in range(_PER_TAR):
            key = f"{number:05d}{i:04d}"
            facts = {"key": key, "url": f"http://host.example/{key}.jpg", "sha256": key * 7}
            image = b"\xff\xd8\xff" + draw.randbytes(draw.randrange(12_000, 28_000))
            sample = {"jpg": image, "txt": f"caption {key}", "json": json.dumps(facts)}
            tar.write({"__key__": key, **sample})


def _report_opening(name: str, n: int, folder: Path, options: ForeignOptions) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    open_shards(folder, foreign=options)
    cost = Cost(
        time.perf_counter() - wall,
        time.process_time() - cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        {},
    )
    report(name, "samples", n, cost)


if __name__ == "__main__":
    main()
