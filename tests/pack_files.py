"""Images, captions and tars as people have them, for the tests of `webpairs pack`."""

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from webpairs_shards.read.open import open_shards


def jpeg(number: int, side: int = 40) -> bytes:
    """A picture of its own for each number."""
    patches = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(patches).resize((side, side)).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def image_folder(folder: Path, n: int, per_folder: int = 10) -> Path:
    """`n` images in folders of folders, each with a .txt; return `folder`."""
    for i in range(n):
        place = folder / f"class {i // per_folder}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i:04d}.jpg").write_bytes(jpeg(i))
        (place / f"{i:04d}.txt").write_text(f"a picture, number {i}\n", encoding="utf-8")
    return folder


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """A tar of these members, as webdataset writes one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def img2dataset_members(numbers: Iterable[int]) -> Iterable[tuple[str, bytes]]:
    """Samples as img2dataset writes them."""
    for i in numbers:
        key = f"{i:09d}"
        fields: dict[str, Any] = {
            "caption": f"picture {i} of the web",
            "url": f"http://host{i % 3}.example/{i}.jpg",
            "key": key,
            "status": "success",
            "error_message": None,
            "width": 40,
            "height": 40,
            "original_width": 640,
            "original_height": 480,
            "exif": "{}",
            "sha256": f"{i:064x}",
        }
        yield f"{key}.jpg", jpeg(i)
        yield f"{key}.json", json.dumps(fields).encode()
        yield f"{key}.txt", fields["caption"].encode()


def samples_of(folder: Path) -> dict[str, dict[str, Any]]:
    """All that the JSONs of a folder of shards say, by key."""
    reader = open_shards(folder)
    found = (json.loads(reader.read(i).json) for i in range(reader.n_samples))
    return {sample["key"]: sample for sample in found}
