"""Ways to make a small picture of a file, compared: CPU, fidelity, start-up and memory.

    python benchmarks/image_stage.py --corpus FOLDER [--photos DIR] [--n 200] [--ways NAME ...]

prints a Markdown table. The target is 256 px on the shorter side, JPEG quality 90. Each way runs in
a process of its own, one after the other; what it needs and is not installed is left out. A file's
cheapest of three turns counts. Fidelity is that of the pixels before they are encoded, against
Pillow's full decode and LANCZOS: PSNR of the pooled squared error, and of the 5th-percentile file.
`import` is CPU seconds, `RSS` the peak in MB.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

SIDE, QUALITY, TURNS = 256, 90, 3
Size = tuple[int, int]
Steps = tuple[Callable[[bytes, Size], Any], Callable[[Any, Size], Any], Callable[[Any], bytes]]
"""Decode with the target in mind, resize, encode."""


def pillow(filter_name: str, reducing_gap: float | None = None, draft: float = 0) -> Steps:
    from PIL import Image

    def decode(data: bytes, size: Size) -> Any:
        image = Image.open(BytesIO(data))
        if draft:
            image.draft("RGB", (int(size[0] * draft), int(size[1] * draft)))
        return image.convert("RGB")

    def resize(image: Any, size: Size) -> Any:
        return image.resize(size, getattr(Image.Resampling, filter_name), reducing_gap=reducing_gap)

    def encode(image: Any) -> bytes:
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=QUALITY)
        return buffer.getvalue()

    return decode, resize, encode


def opencv(interpolation: str, gap: float = 0) -> Steps:
    import cv2
    import numpy as np

    cv2.setNumThreads(0)

    def decode(data: bytes, size: Size) -> Any:
        flag = cv2.IMREAD_COLOR
        if gap:
            width, _ = _header(data)
            for n, reduced in ((8, "8"), (4, "4"), (2, "2")):
                if width / n >= gap * size[0]:
                    flag = getattr(cv2, f"IMREAD_REDUCED_COLOR_{reduced}")
                    break
        return cv2.imdecode(np.frombuffer(data, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)

    def resize(image: Any, size: Size) -> Any:
        return cv2.resize(image, size, interpolation=getattr(cv2, interpolation))[..., ::-1]

    def encode(image: Any) -> bytes:
        quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        return bytes(cv2.imencode(".jpg", image[..., ::-1], quality)[1])

    return decode, resize, encode


def turbo(filter_name: str, gap: float = 0) -> Steps:
    """simplejpeg, Pillow for what is no JPEG, and fast_image_resize."""
    import cykooz_resizer as fir
    import numpy as np
    import simplejpeg
    from PIL import Image

    resizer = fir.Resizer()
    algorithm = fir.ResizeAlg.convolution(getattr(fir.FilterType, filter_name))
    options = fir.ResizeOptions(resize_alg=algorithm, use_alpha=False)

    def decode(data: bytes, size: Size) -> Any:
        if data[:2] != b"\xff\xd8":
            return np.asarray(Image.open(BytesIO(data)).convert("RGB"))
        limits = {"min_width": int(size[0] * gap), "min_height": int(size[1] * gap)}
        return simplejpeg.decode_jpeg(data, "RGB", **(limits | {"min_factor": 2} if gap else {}))

    def resize(pixels: Any, size: Size) -> Any:
        kind = fir.PixelType.U8x3
        small = fir.ImageData(*size, kind)
        source = fir.ImageData(pixels.shape[1], pixels.shape[0], kind, pixels.tobytes())
        resizer.resize(source, small, options)
        return np.frombuffer(small.get_buffer(), np.uint8).reshape(size[1], size[0], 3)

    def encode(pixels: Any) -> bytes:
        return bytes(simplejpeg.encode_jpeg(pixels, QUALITY, "RGB", "420"))

    return decode, resize, encode


def kornia() -> Steps:
    import kornia_rs

    def decode(data: bytes, _: Size) -> Any:
        return kornia_rs.image.Image.decode(data)

    def resize(image: Any, size: Size) -> Any:
        return image.resize(*size, "lanczos", True)

    return decode, resize, lambda image: bytes(image.encode("jpeg", QUALITY))


def vips() -> Steps:
    """Decode and resize are one call, and counted as resize."""
    import pyvips

    def resize(data: Any, size: Size) -> Any:
        image = pyvips.Image.thumbnail_buffer(data, size[0], height=size[1], size="force")
        return image.copy_memory()

    return (
        lambda data, _: data,
        resize,
        lambda image: bytes(image.write_to_buffer(".jpg", Q=QUALITY)),
    )


def webpairs(mode: str) -> Steps:
    """All of process_image: header, rights, hash and the rest are counted as decode."""
    import msgspec

    from webpairs_shards.image.process import process_image
    from webpairs_shards.options import ImageSection

    fields = {"min_side_px": 1, "max_aspect": 100, "size_px": SIDE, "quality": QUALITY}
    section = msgspec.convert(fields | {"mode": mode, "reencode": "always"}, ImageSection)
    return lambda data, _: process_image(data, section).data, lambda x, _: x, lambda x: x


def stored_pixels(mode: str, data: bytes) -> bytes:
    """What `webpairs` encodes, by way of a format without loss; not timed."""
    import msgspec
    from PIL import Image

    from webpairs_shards.image.process import process_image
    from webpairs_shards.options import ImageSection

    fields = {"min_side_px": 1, "max_aspect": 100, "size_px": SIDE, "format": "png"}
    section = msgspec.convert(fields | {"mode": mode, "reencode": "always"}, ImageSection)
    with Image.open(BytesIO(process_image(data, section).data)) as image:
        return image.tobytes()


WAYS: dict[str, Callable[[], Steps]] = {
    "Pillow LANCZOS (reference)": lambda: pillow("LANCZOS"),
    "Pillow LANCZOS, reducing_gap 2": lambda: pillow("LANCZOS", 2.0),
    "Pillow BICUBIC": lambda: pillow("BICUBIC"),
    "Pillow HAMMING": lambda: pillow("HAMMING"),
    "Pillow draft 2x, LANCZOS": lambda: pillow("LANCZOS", None, 2),
    "Pillow draft 1x, LANCZOS": lambda: pillow("LANCZOS", None, 1),
    "OpenCV AREA (img2dataset)": lambda: opencv("INTER_AREA"),
    "OpenCV REDUCED 2x, AREA": lambda: opencv("INTER_AREA", 2),
    "kornia-rs lanczos": kornia,
    "pyvips thumbnail": vips,
    "simplejpeg + fir lanczos3": lambda: turbo("lanczos3"),
    "simplejpeg 2x + fir lanczos3": lambda: turbo("lanczos3", 2),
    "simplejpeg 2x + fir catmull_rom": lambda: turbo("catmull_rom", 2),
    "simplejpeg 1x + fir catmull_rom": lambda: turbo("catmull_rom", 1),
    "webpairs faithful, whole": lambda: webpairs("faithful"),
    "webpairs fast, whole": lambda: webpairs("fast"),
    "webpairs best, whole": lambda: webpairs("best"),
}


def _header(data: bytes) -> Size:
    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        return image.size


def _target(size: Size) -> Size:
    scale = min(1.0, SIDE / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def measure(name: str, work: Path) -> None:
    """In a process of its own: one JSON line."""
    before = time.process_time()
    decode, resize, encode = WAYS[name]()
    started = time.process_time() - before
    files = [(Path(path).read_bytes(), target) for path, target in _todo(work)]
    costs = [0, 0, 0]
    with (work / "out.rgb").open("wb") as out:
        for data, target in files:
            turns = []
            for _ in range(TURNS):
                at = [time.process_time_ns()]
                decoded = decode(data, target)
                at.append(time.process_time_ns())
                small = resize(decoded, target)
                at.append(time.process_time_ns())
                encode(small)
                at.append(time.process_time_ns())
                turns.append([b - a for a, b in pairwise(at)])
            costs = [a + b for a, b in zip(costs, min(turns, key=sum), strict=True)]
            out.write(_pixels(name, data, small))
    peak_mb = _peak_mb()
    ms = [cost / len(files) / 1e6 for cost in costs]
    print(json.dumps({"ms": ms, "import_s": started, "rss_mb": peak_mb}))


def _peak_mb() -> float:
    """VmHWM: unlike ru_maxrss it does not begin at the peak of the process that forked this one."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _pixels(name: str, data: bytes, small: Any) -> bytes:
    if name.startswith("webpairs"):
        return stored_pixels(name.split()[1].rstrip(","), data)
    for way in ("tobytes", "write_to_memory"):
        if hasattr(small, way):
            return bytes(getattr(small, way)())
    raise TypeError(type(small))


def _todo(work: Path) -> list[tuple[str, Size]]:
    """The pictures and the size that each is to have."""
    return [(path, (w, h)) for path, w, h in json.loads((work / "todo.json").read_text())]


def rows(names: list[str], work: Path) -> Iterator[str]:
    import numpy as np

    ends = np.cumsum([3 * w * h for _, (w, h) in _todo(work)])[:-1]
    reference: Any = None
    for name in names:
        run = subprocess.run(
            [sys.executable, __file__, "--measure", name, str(work)],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            yield f"| {name} | {run.stderr.strip().splitlines()[-1][:70]} |"
            continue
        found = json.loads(run.stdout)
        pixels = np.fromfile(work / "out.rgb", np.uint8).astype(np.float32)
        reference = pixels if reference is None else reference
        parts = [float(p.mean()) for p in np.split((pixels - reference) ** 2, ends)]
        pooled = float(((pixels - reference) ** 2).mean(dtype=np.float64))
        errors = (pooled, float(np.quantile(parts, 0.95)))
        psnr = [10 * math.log10(255**2 / max(error, 1e-9)) for error in errors]
        fidelity = f"| {psnr[0]:.1f} | {psnr[1]:.1f} " if pooled else "| ref | ref "
        split = " | ".join(f"{ms:.2f}" for ms in found["ms"])
        yield (
            f"| {name} | {split} | **{sum(found['ms']):.2f}** {fidelity}"
            f"| {found['import_s']:.2f} | {found['rss_mb']:.0f} |"
        )


def main() -> None:
    # Not above: what a process that measures has imported would count for every way.
    from image_corpus import add_corpus_options, corpus, statistics

    parser = argparse.ArgumentParser(description=__doc__)
    add_corpus_options(parser, 200)
    parser.add_argument("--ways", nargs="*", help="parts of names; the reference always runs")
    args = parser.parse_args()
    pictures = corpus(args.corpus, args.n, args.photos)
    print(statistics(pictures))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        todo = [(str(path.resolve()), *_target(_header(path.read_bytes()))) for path in pictures]
        (work / "todo.json").write_text(json.dumps(todo))
        print("\n| way | decode | resize | encode | ms | PSNR | p5 | import s | RSS MB |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        reference, *others = WAYS
        chosen = [n for n in others if not args.ways or any(w in n for w in args.ways)]
        for row in rows([reference, *chosen], work):
            print(row, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
