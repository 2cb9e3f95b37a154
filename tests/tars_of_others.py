"""WebDataset tars that this project did not write: small ones of any shape."""

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import msgspec
from PIL import Image
from webdataset import TarWriter

from webpairs_shards.stores.foreign.hop import Read


def _jpeg() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (48, 40), (200, 30, 90)).save(stream, "JPEG")
    return stream.getvalue()


JPEG = _jpeg()


def image(number: int) -> bytes:
    """A JPEG; what follows its end differs, decoders pass over it."""
    return JPEG + b"%d" % number * (number % 700)


def write_tar(path: Path, files: Iterable[tuple[str, bytes]], format: int = 1) -> Path:
    """A tar of these members. Formats are tarfile's: 0 ustar, 1 GNU, 2 pax."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def pair(key: str, number: int = 0, ending: str = "jpg") -> list[tuple[str, bytes]]:
    """The members of a sound sample."""
    return [
        (f"{key}.{ending}", image(number)),
        (f"{key}.json", b'{"number":%d}' % number),
        (f"{key}.txt", f"caption {number}".encode()),
    ]


def pairs(numbers: Iterable[int], ending: str = "jpg") -> list[tuple[str, bytes]]:
    return [each for number in numbers for each in pair(f"{number:09d}", number, ending)]


def img2dataset_folder(folder: Path, n_tars: int, n_each: int) -> Path:
    """Shards as img2dataset 1.47 leaves them: webdataset's writer, statistics beside."""
    folder.mkdir(parents=True)
    for shard in range(n_tars):
        with TarWriter(str(folder / f"{shard:05d}.tar")) as tar:
            for i in range(n_each):
                number = shard * 10_000 + i
                facts = {"key": f"{number:09d}", "status": "success", "width": 48, "height": 40}
                tar.write(
                    {
                        "__key__": f"{number:09d}",
                        "jpg": image(number),
                        "txt": f"caption {number}",
                        "json": json.dumps(facts, indent=4),
                    }
                )
        stats = {"count": n_each + 3, "successes": n_each, "failed_to_download": 3}
        (folder / f"{shard:05d}_stats.json").write_bytes(msgspec.json.encode(stats))
        (folder / f"{shard:05d}.parquet").write_bytes(b"PAR1")
    return folder


def reading(path: Path) -> tuple[Read, int]:
    data = path.read_bytes()

    def read(start: int, n_bytes: int) -> bytes:
        return data[start : start + n_bytes]

    return read, len(data)
