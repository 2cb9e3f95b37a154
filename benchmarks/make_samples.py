"""A finished `samples/` of any size without a web: 256 px JPEGs of 18 kB, each used many times."""

import tarfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from webpairs_core.funnel import Funnel
from webpairs_core.keys import pair_key
from webpairs_core.ledger import DONE, Ledger
from webpairs_core.schema import SAMPLES, write_part

N_PICTURES = 200
ROWS_PER_PART = 5_000


def pictures() -> list[bytes]:
    """Photo-like pictures: smooth structure with a little noise."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(N_PICTURES):
        small = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        smooth = Image.fromarray(small).resize((256, 256), Image.Resampling.BICUBIC)
        noisy = np.asarray(smooth) + rng.normal(0, 8, (256, 256, 3))
        stream = BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=80)
        found.append(stream.getvalue())
    return found


def make_samples(out: Path, n: int) -> None:
    """Write `n` samples under `out` as the fetch stage does, with random pHashes."""
    images = pictures()
    phashes = np.random.default_rng(1).integers(0, 2**64, n, dtype=np.uint64)
    stage = Ledger(out).open_stage("fetch", "benchmark")
    for start in range(0, n, ROWS_PER_PART):
        numbers = range(start, min(start + ROWS_PER_PART, n))
        name = f"part-{start // ROWS_PER_PART:05d}"
        tar_name, part_name = f"samples/{name}.tar", f"samples/{name}.parquet"
        with stage.unit(name) as unit:
            rows = []
            with tarfile.open(unit.path(tar_name), "w", format=tarfile.USTAR_FORMAT) as tar:
                for i in numbers:
                    row = _row(i, int(phashes[i]), len(images[i % N_PICTURES]))
                    member = tarfile.TarInfo(f"{row['key'].hex()}.jpg")
                    member.size = row["length"]
                    rows.append(row | {"tar": tar_name, "offset": tar.offset + tarfile.BLOCKSIZE})
                    tar.addfile(member, BytesIO(images[i % N_PICTURES]))
            table = pa.Table.from_pylist(rows, schema=SAMPLES)
            unit.rows(part_name, write_part(unit.path(part_name), [table], SAMPLES))
            unit.commit(Funnel("fetch", "candidates", len(rows), len(rows)))
    with stage.unit(DONE) as unit:
        unit.commit(Funnel("fetch", "candidates", n, n))


def _row(i: int, phash: int, length: int) -> dict[str, Any]:
    url = f"https://host{i % 97}.example/images/{i}.jpg"
    text = f"a picture of some thing in some place, as pages say it, number {i}"
    row: dict[str, Any] = {}
    for field in SAMPLES:
        is_text, is_list = field.type == pa.string(), pa.types.is_list(field.type)
        row[field.name] = "" if is_text else [] if is_list else 0
    row |= {"key": pair_key(url, text), "url": url, "text": text, "text_source": "alt"}
    row |= {"page_url": url, "fetched_at": datetime(2026, 1, 1, tzinfo=UTC), "lang": "en"}
    row |= {"host": f"host{i % 97}.example", "outcome": "ok"}
    row |= {"phash": phash, "original_width": 1024, "original_height": 1024, "contrast": 50.0}
    row |= {"is_animated": False, "format": "jpeg", "sha256": f"{i:064x}"}
    return row | {"width": 256, "height": 256, "length": length}
