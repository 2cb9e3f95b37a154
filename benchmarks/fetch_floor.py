"""What fetching a picture must cost, part by part, and what the whole stage takes for it.

    python benchmarks/fetch_floor.py --corpus FOLDER [--scheme https]

Each part is measured alone in one process, on the same pictures and the same nginx: the download
by a bare aiohttp client, decode, resize and encode by several ways (OpenCV's where it is installed;
webpairs does not need it), sha256, perceptual hash of the small picture, tar. The floor takes the
cheapest way that keeps FAITHFUL_DB to Pillow's whole decode and LANCZOS. Then `process_image`, the
image work as webpairs does it, and `webpairs fetch` as a whole. All figures are CPU seconds.
"""

import argparse
import asyncio
import hashlib
import importlib
import io
import ssl
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import imagehash
import msgspec
import numpy as np
from PIL import Image

from fetch_against import N_START, measured
from fetch_tools import Webpairs, Work
from fidelity import psnr_db, reference, squared_error
from image_corpus import add_corpus_options, corpus, statistics
from nginx import nginx
from webpairs_shards.image import process_image
from webpairs_shards.options import ImageSection

FAITHFUL_DB = 38.5
"""Before the encoding. img2dataset's own (OpenCV, INTER_AREA) has 39.5 on photographs."""
SIZE_PX = 256
QUALITY = 95
IN_FLIGHT = 64
N_COMPARED = 200
N_WARM = 8
"""Pictures before the clock starts: what is imported by the first ones is no part of the floor."""


class Way(msgspec.Struct, frozen=True):
    """One way to make the small picture; pictures are Pillow's or OpenCV's between the steps."""

    name: str
    decode: Callable[[bytes], Any]
    resize: Callable[[Any], Any]
    encode: Callable[[Any], bytes]
    rgb: Callable[[Any], Image.Image]
    """The picture as Pillow's, for the comparison."""


class WayCost(msgspec.Struct, frozen=True):
    """CPU milliseconds a picture, and how near the result is."""

    name: str
    decode_ms: float
    resize_ms: float
    encode_ms: float
    psnr_db: float

    @property
    def total_ms(self) -> float:
        """All three steps."""
        return self.decode_ms + self.resize_ms + self.encode_ms


def target(width: int, height: int) -> tuple[int, int]:
    """The shorter side becomes SIZE_PX; never larger than it was."""
    scale = min(1.0, SIZE_PX / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def pillow_decode(least: float, data: bytes) -> Any:
    """The picture and its final size. JPEGs are decoded scaled, to `least` times the final size or
    more (T.81's DCT makes halves cheap); 0 decodes the whole."""
    image = Image.open(io.BytesIO(data))
    size = target(*image.size)
    if least:
        image.draft("RGB", (round(size[0] * least), round(size[1] * least)))
    return image.convert("RGB"), size


def pillow_resize(gap: float | None, decoded: Any) -> Any:
    """LANCZOS, after a cheap reduction to `gap` times the size."""
    image, size = decoded
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=gap)


def pillow_encode(kind: str, picture: Any) -> bytes:
    """As webpairs and img2dataset store it."""
    buffer = io.BytesIO()
    picture.save(buffer, {"jpg": "JPEG", "webp": "WEBP"}[kind], quality=QUALITY)
    return buffer.getvalue()


def ways(kind: str) -> list[Way]:
    """Pillow's three, and OpenCV's two where it is."""
    encode = partial(pillow_encode, kind)
    found = [
        Way(name, partial(pillow_decode, least), partial(pillow_resize, gap), encode, _same)
        for name, least, gap in (
            ("Pillow, whole, LANCZOS", 0.0, None),
            ("Pillow, whole, LANCZOS after a reduction (gap 2)", 0.0, 2.0),
            ("Pillow, scaled to 2x, LANCZOS after a reduction (gap 2)", 2.0, 2.0),
        )
    ]
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError:
        return found
    cv2.setNumThreads(1)

    def decode(is_scaled: bool, data: bytes) -> Any:
        buffer, flag = np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR
        with Image.open(io.BytesIO(data)) as image:
            size = target(*image.size)
            times = min(image.size) / min(size)
        if is_scaled:
            flag = cv2.IMREAD_REDUCED_COLOR_2 if times >= 4 else flag
            flag = cv2.IMREAD_REDUCED_COLOR_4 if times >= 8 else flag
        return cv2.imdecode(buffer, flag), size

    def resize(decoded: Any) -> Any:
        return cv2.resize(*decoded, interpolation=cv2.INTER_AREA)

    def encoded(picture: Any) -> bytes:
        quality = cv2.IMWRITE_JPEG_QUALITY if kind == "jpg" else cv2.IMWRITE_WEBP_QUALITY
        data: bytes = cv2.imencode(f".{kind}", picture, [quality, QUALITY])[1].tobytes()
        return data

    for name, is_scaled in (("OpenCV, whole, AREA", False), ("OpenCV, scaled to 2x, AREA", True)):
        found.append(Way(name, partial(decode, is_scaled), resize, encoded, _from_bgr))
    return found


def _same(picture: Any) -> Any:
    return picture


def _from_bgr(picture: Any) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))


def way_cost(way: Way, pictures: Sequence[tuple[Path, bytes]]) -> tuple[WayCost, list[bytes]]:
    """Time the steps one picture after the other, as a worker would; also what was encoded."""
    spent = [0.0, 0.0, 0.0]
    encoded, error, n = [], 0.0, 0
    for _, data in pictures[:N_WARM]:
        way.encode(way.resize(way.decode(data)))
    for number, (path, data) in enumerate(pictures):
        t0 = time.process_time()
        decoded = way.decode(data)
        t1 = time.process_time()
        small = way.resize(decoded)
        t2 = time.process_time()
        encoded.append(way.encode(small))
        t3 = time.process_time()
        spent = [spent[0] + t1 - t0, spent[1] + t2 - t1, spent[2] + t3 - t2]
        if number < N_COMPARED:
            picture = way.rgb(small)
            more, values = squared_error(picture, reference(path, picture.size))
            error, n = error + more, n + values
    decode, resize, encode = (1000 * s / len(pictures) for s in spent)
    return WayCost(way.name, decode, resize, encode, psnr_db(error, n)), encoded


def cpu_ms(work: Callable[[], object], n: int) -> float:
    """CPU milliseconds of this process for each of `n`."""
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began) / n


async def download(urls: Sequence[str], bundle: Path) -> None:
    """Read all bodies whole, 64 at a time, over connections kept alive."""
    waiting = iter(urls)
    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=str(bundle)))
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:

        async def client() -> None:
            for url in waiting:
                async with session.get(url) as response:
                    assert response.status == 200
                    await response.read()

        for _ in range(IN_FLIGHT):
            group.create_task(client())


def write_tar(path: Path, members: Sequence[bytes]) -> None:
    """Pictures under names as long as webpairs' keys."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i, data in enumerate(members):
            info = tarfile.TarInfo(f"{i:032x}.jpg")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def hash_all(pictures: Sequence[tuple[Path, bytes]]) -> None:
    """SHA-256 of what was received."""
    for _, data in pictures:
        hashlib.sha256(data).hexdigest()


def phash_all(encoded: Sequence[bytes]) -> float:
    """CPU milliseconds for the perceptual hash of a small picture; its decode is not counted."""
    spent = 0.0
    for data in encoded:
        with Image.open(io.BytesIO(data)) as image:
            picture = image.convert("RGB")
        began = time.process_time()
        imagehash.phash(picture)
        spent += time.process_time() - began
    return 1000 * spent / len(encoded)


def process_all(pictures: Sequence[tuple[Path, bytes]], kind: Any) -> None:
    """webpairs' own image work."""
    section = ImageSection(
        min_side_px=1, max_aspect=100, size_px=SIZE_PX, quality=QUALITY, format=kind
    )
    for _, data in pictures:
        assert process_image(data, section).data


def main() -> None:
    """Measure the parts and the whole, print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    add_corpus_options(parser)
    parser.add_argument("--scheme", choices=("http", "https"), default="http")
    parser.add_argument("--format", choices=("jpg", "webp"), default="jpg")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    paths = corpus(args.corpus, args.n, args.photos)
    print(statistics(paths))
    pictures = [(path, path.read_bytes()) for path in paths]
    n = len(pictures)
    with nginx(paths[0].parent) as served, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        urls = [served.url(args.scheme, path.name) for path in paths]
        asyncio.run(download(urls[:IN_FLIGHT], served.bundle))  # what is made once is made here
        fetch_ms = cpu_ms(lambda: asyncio.run(download(urls, served.bundle)), n)
        costs: list[WayCost] = []
        encoded: list[bytes] = []
        for way in ways(args.format):
            cost, encoded = way_cost(way, pictures)
            costs.append(cost)
        sha_ms = cpu_ms(lambda: hash_all(pictures), n)
        phash_all(encoded[:N_WARM])
        phash_ms = phash_all(encoded)
        tar_ms = cpu_ms(lambda: write_tar(folder / "floor.tar", encoded), n)
        process_all(pictures[:N_WARM], args.format)
        process_ms = cpu_ms(lambda: process_all(pictures, args.format), n)
        work = Work(format=args.format, processes=args.processes, in_flight=IN_FLIGHT)
        stage = measured(Webpairs(sys.executable, work), urls, served.bundle, folder / "stage")
    print("\n| way | decode | resize | encode | ms | PSNR dB |\n| --- " + "| ---: " * 5 + "|")
    for cost in costs:
        print(
            f"| {cost.name} | {cost.decode_ms:.2f} | {cost.resize_ms:.2f} | {cost.encode_ms:.2f} "
            f"| {cost.total_ms:.2f} | {cost.psnr_db:.1f} |"
        )
    faithful = [cost for cost in costs if cost.psnr_db >= FAITHFUL_DB]
    best = min(faithful, key=lambda cost: cost.total_ms)
    parts = {
        f"download, {args.scheme}, bare aiohttp": fetch_ms,
        f"decode ({best.name})": best.decode_ms,
        "resize": best.resize_ms,
        f"encode, {args.format} q{QUALITY}": best.encode_ms,
        "sha256 of the bytes": sha_ms,
        "perceptual hash of the small picture": phash_ms,
        "tar": tar_ms,
    }
    floor = sum(parts.values())
    further = 1000 * (stage.cpu_s - stage.start_s) / (n - N_START)
    print("\n| part | CPU ms an image | share |\n| --- | ---: | ---: |")
    for part, ms in parts.items():
        print(f"| {part} | {ms:.2f} | {100 * ms / floor:.0f} % |")
    print(f"| **the floor: all of these** | {floor:.2f} | 100 % |")
    print(f"| process_image: decode to encode, phash, rights | {process_ms:.2f} | |")
    print(f"| webpairs fetch, a further image | {further:.2f} | {100 * further / floor:.0f} % |")
    print(f"| webpairs fetch, start-up spread | {1000 * stage.cpu_s / n:.2f} | |")
    print(f"\nstage / floor: {further / floor:.2f} ({stage.kept:,} of {n:,} stored)")


if __name__ == "__main__":
    main()
