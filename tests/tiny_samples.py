"""Writes FOLDER with N samples of one pixel in one shard, then streams an epoch of them.

A line of JSON for each half: what was seen, and how many MB of memory of its own the process gained
between the tenth part of the samples and the last. A program, because only a process that does
nothing else can be weighed; with a million it takes some minutes.
"""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace
from PIL import Image

from shard_folder import SAMPLE, write_folder
from webpairs_shards import Mixture, ShardStream, StreamOptions, open_shards
from webpairs_shards.format.layout import SampleJson


def main(folder: Path, n: int) -> None:
    """See above."""
    image = _pixel()
    gain = _Gain(n)
    write_folder(folder, [_samples(image, n, gain)], "png")
    print(json.dumps({"gain_mb": gain.mb}))

    gain = _Gain(n)
    stream = ShardStream(Mixture([(open_shards(folder), 1.0)]), StreamOptions(epochs=1))
    seen = bytearray(n)
    n_equal = 0
    for i, sample in enumerate(stream):
        seen[int(sample.key, 16)] += 1
        n_equal += (sample.image, sample.text) == (image, SAMPLE.caption)
        gain.weigh(i)
    said = {"gain_mb": gain.mb, "n_equal": n_equal, "n_once": seen.count(1)}
    print(json.dumps(said | {"state": stream.state_dict()}))


class _Gain:
    """Memory of this process that is no map of a file, in MB."""

    def __init__(self, n: int) -> None:
        self.mb = 0.0
        self._n = n
        self._first = 0.0

    def weigh(self, i: int) -> None:
        if i == self._n // 10:
            self._first = self._now()
        elif i == self._n - 1:
            self.mb = self._now() - self._first

    @staticmethod
    def _now() -> float:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def _samples(image: bytes, n: int, gain: _Gain) -> Iterator[tuple[SampleJson, bytes]]:
    for i in range(n):
        gain.weigh(i)
        yield replace(SAMPLE, key=f"{i:032x}"), image


def _pixel() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (1, 1), (200, 10, 10)).save(stream, "PNG")
    return stream.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
