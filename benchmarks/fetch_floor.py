"""What fetching a picture must cost, part by part, and what the whole stage takes for it.

    python benchmarks/fetch_floor.py --corpus FOLDER [--scheme https]

The floor is what no fetch can do without, each part measured alone, on the same pictures and the
same nginx: the download by a bare aiohttp client, sha256, the decode (JPEG by simplejpeg, scaled;
all else by Pillow), webpairs' own resize, perceptual hash and encoding, a plain tar. How these
compare with other ways is the subject of image_stage.py. Beside the floor stand `process_image`,
the image work as webpairs does it, and `webpairs fetch` as a whole; the last line says how many
times the floor that takes. All figures are CPU. Give it a thousand pictures: the start-up of the
stage, which varies by a tenth of a second, is measured apart and taken off.
"""

import argparse
import asyncio
import hashlib
import io
import ssl
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

import aiohttp
import msgspec
import simplejpeg
from PIL import Image

from fetch_against import N_START, measured
from fetch_tools import Webpairs, Work
from image_corpus import add_corpus_options, corpus, statistics
from nginx import nginx
from webpairs_shards.image import jpeg
from webpairs_shards.image.phash import phash
from webpairs_shards.image.process import process_image
from webpairs_shards.image.resize import Size, shrink_bytes, shrunk_size
from webpairs_shards.options import ImageSection

P = ParamSpec("P")
T = TypeVar("T")

N_WARM = 8
"""Pictures before the clock starts: what is imported by the first ones is no part of the floor."""
IMAGE_PARTS = ("decode", "resize", "perceptual hash", "encode")
"""Those that `process_image` does, too."""
WHOLE_IMAGE_WORK = "process_image"


class Meter:
    """CPU seconds of this process by the name of the work."""

    def __init__(self) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)

    def time(self, name: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` gives; its cost is added to that name's."""
        began = time.process_time()
        made = work(*args, **kwargs)
        self.spent_s[name] += time.process_time() - began
        return made


def decode(data: bytes, section: ImageSection) -> tuple[bytes, Size, Size]:
    """RGB pixels, their width and height, and those of the picture that is to be stored.

    A JPEG is decoded at twice the stored size or more (docs/adr/0010-image-stage.md).
    """
    if not data.startswith(b"\xff\xd8"):
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB").tobytes(), image.size, shrunk_size(image.size, section)
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    new = shrunk_size((width, height), section)
    least = {"min_width": 2 * new[0], "min_height": 2 * new[1], "min_factor": 2}
    pixels = simplejpeg.decode_jpeg(data, "RGB", **least)
    return pixels.tobytes(), (pixels.shape[1], pixels.shape[0]), new


def encode(picture: Image.Image, section: ImageSection) -> bytes:
    """As webpairs stores it."""
    if section.format == "jpg":
        return jpeg.encode(picture, section.quality)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=section.quality, method=section.effort)
    return buffer.getvalue()


def do_images(pictures: Sequence[bytes], section: ImageSection, meter: Meter) -> list[bytes]:
    """Each part for one picture after the other, as a worker would; what was encoded."""
    stored = []
    for data in pictures:
        meter.time("sha256 of the bytes", hashlib.sha256, data)
        pixels, size, new = meter.time("decode", decode, data, section)
        small = meter.time("resize", shrink_bytes, pixels, size, new, section)
        meter.time("perceptual hash", phash, small)
        stored.append(meter.time("encode", encode, small, section))
        assert meter.time(WHOLE_IMAGE_WORK, process_image, data, section).data
    return stored


async def download(urls: Sequence[str], bundle: Path, in_flight: int) -> None:
    """Read all bodies whole, `in_flight` at a time, over connections kept alive."""
    waiting = iter(urls)
    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=str(bundle)))
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:

        async def client() -> None:
            for url in waiting:
                async with session.get(url) as response:
                    assert response.status == 200
                    await response.read()

        for _ in range(in_flight):
            group.create_task(client())


def write_tar(path: Path, members: Sequence[bytes]) -> None:
    """Pictures under names as long as webpairs' keys."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i, data in enumerate(members):
            info = tarfile.TarInfo(f"{i:032x}.jpg")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def print_table(ms: Mapping[str, float], stage_ms: float) -> float:
    """The shares of all parts in the floor and in the stage, given what each costs for a picture in
    milliseconds. Returns the floor."""
    parts = {name: cost for name, cost in ms.items() if name != WHOLE_IMAGE_WORK}
    floor = sum(parts.values())
    image_rest = ms[WHOLE_IMAGE_WORK] - sum(ms[name] for name in IMAGE_PARTS)
    stage_rest = stage_ms - floor - image_rest
    print(
        "\n| part | CPU ms an image | of the floor | of the stage |\n| --- | ---: | ---: | ---: |"
    )
    for name, cost in {**parts, "**the floor: all of these**": floor}.items():
        print(f"| {name} | {cost:.2f} | {cost / floor:.0%} | {cost / stage_ms:.0%} |")
    for name, cost in (
        ("the rest of process_image: header, colours, rights", image_rest),
        ("the rest of the stage: robots.txt, queues, pipes, journal, table", stage_rest),
        ("**webpairs fetch, a further image**", stage_ms),
    ):
        print(f"| {name} | {cost:.2f} | | {cost / stage_ms:.0%} |")
    return floor


def main() -> None:
    """Measure the parts and the whole, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    add_corpus_options(parser)
    parser.add_argument("--scheme", choices=("http", "https"), default="http")
    parser.add_argument("--format", choices=("jpg", "webp"), default="jpg")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    if args.n <= N_START:
        parser.error(f"--n must be more than {N_START}, which measure the start-up")
    work = Work(format=args.format, processes=args.processes)
    fields = {"min_side_px": 1, "max_aspect": 100, "format": work.format}
    fields |= {"size_px": work.size_px, "quality": work.quality}
    section = msgspec.convert(fields, ImageSection)
    paths = corpus(args.corpus, args.n, args.photos)
    print(statistics(paths))
    pictures = [path.read_bytes() for path in paths]
    n, meter = len(pictures), Meter()

    with nginx(paths[0].parent) as served, tempfile.TemporaryDirectory() as name:
        urls = [served.url(args.scheme, path.name) for path in paths]

        def download_some(some: Sequence[str]) -> None:
            asyncio.run(download(some, served.bundle, work.in_flight))

        download_some(urls[: work.in_flight])  # what is made once is made here
        do_images(pictures[:N_WARM], section, Meter())
        meter.time(f"download, {args.scheme}, bare aiohttp", download_some, urls)
        stored = do_images(pictures, section, meter)
        meter.time("tar", write_tar, Path(name, "floor.tar"), stored)
        stage = measured(Webpairs(sys.executable, work), urls, served.bundle, Path(name, "stage"))
    stage_ms = 1000 * (stage.cpu_s - stage.start_s) / (n - N_START)
    floor = print_table({part: 1000 * s / n for part, s in meter.spent_s.items()}, stage_ms)
    print(
        f"\nwhole stage / floor: {stage_ms / floor:.2f}; {stage.kept:,} of {n:,} stored, "
        f"the start-up of {stage.start_s:.2f} CPU s left out"
    )


if __name__ == "__main__":
    main()
