"""How fast `webpairs pack` is, and what it holds: tiny images from tars or from a folder.

    python benchmarks/pack.py [--samples N] [--kind tar|folder] [--workers N]

CPU seconds are of this process and of all that it starts; the peak is of the largest of them.
"""

import argparse
import io
import resource
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

PER_TAR = 10_000
PER_FOLDER = 1_000


def picture(number: int, side: int = 32) -> bytes:
    """A JPEG of its own for each number."""
    patches = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(patches).resize((side, side)).save(stream, "JPEG")
    return stream.getvalue()


def make_tars(folder: Path, n: int) -> None:
    folder.mkdir()
    for start in range(0, n, PER_TAR):
        with tarfile.open(folder / f"{start // PER_TAR:05d}.tar", "w") as tar:
            for i in range(start, min(n, start + PER_TAR)):
                for ending, data in (("jpg", picture(i)), ("txt", f"picture {i}".encode())):
                    member = tarfile.TarInfo(f"{i:09d}.{ending}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
            tar.getmembers().clear()


def make_folder(folder: Path, n: int) -> None:
    for i in range(n):
        place = folder / f"{i // PER_FOLDER:05d}"
        if i % PER_FOLDER == 0:
            place.mkdir(parents=True)
        (place / f"{i:09d}.jpg").write_bytes(picture(i))
        (place / f"{i:09d}.txt").write_text(f"picture {i}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--kind", choices=["tar", "folder"], default="tar")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "in"
        (make_tars if args.kind == "tar" else make_folder)(source, args.samples)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        words = ["pack", str(source), "--out", f"{scratch}/out", "--workers", str(args.workers)]
        subprocess.run(
            [sys.executable, "-m", "webpairs_pipeline.cli", *words, "-q"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{args.kind}: {args.samples:,} samples, {cpu:.1f} CPU s, "
        f"{args.samples / cpu:,.0f} samples a CPU second, peak {after.ru_maxrss / 1024:,.0f} MB"
    )


if __name__ == "__main__":
    main()
