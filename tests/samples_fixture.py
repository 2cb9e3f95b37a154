"""A finished OUT up to `fetch`, and shards, without any web: for tests of what comes after.

The images are small random pictures with large patches, so that each has a pHash of its own.
"""

import hashlib
import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import imagehash
import msgspec
import numpy as np
import pyarrow as pa
from PIL import Image

from webpairs_core.funnel import Funnel
from webpairs_core.keys import pair_key
from webpairs_core.ledger import DONE, Ledger
from webpairs_core.schema import SAMPLES, write_part
from webpairs_pipeline.recipe import Recipe
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import STAGES, run_stage

TEXTS = (
    "a red kite over the harbour, number {}",
    "부엌 창가에 앉은 고양이 {}",
    "夕方の海岸を走る犬 {}",
    "一碗番茄鸡蛋面 {}",
    "Café brûlé à l'été {}",
    'naïve Größe <b>&amp;</b> "quoted" {}',
)
LANGS = ("en", "ko", "ja", "zh", "fr", "de")
_FETCHED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make_run(out: Path, workers: int = 1, limit: int | None = None, **sections: Any) -> Run:
    """A run on `out`; `sections` are recipe sections as dictionaries, e.g. shards={...}."""
    recipe = msgspec.convert({"name": "tiny", **sections}, Recipe)
    return Run(recipe=recipe, out=out, workers=workers, limit=limit)


def build_samples(
    out: Path,
    n: int,
    *,
    n_parts: int = 2,
    twin_every: int = 0,
    twin_side: int = 128,
    twin_scale: int = 1,
    contrast: float = 50.0,
    bad_every: int = 0,
    fetched: datetime = _FETCHED,
) -> Path:
    """Write a finished `samples/` of `n` rows in `n_parts` parts, with its ledger; return `out`.

    Each row whose number divides by `twin_every` shows the image of the row before it; its original
    had `twin_side` pixels a side, the others 256; with `twin_scale` 2 it is the same file. Each one
    that divides by `bad_every` is a failed fetch (http_4xx) without an image.
    """
    rows = [_row(i, (twin_every, twin_side, twin_scale), bad_every, fetched) for i in range(n)]
    for row, _ in rows:
        row["contrast"] = contrast
    ledger = Ledger(out)
    for name in ("crawl", "filter", "dedup"):
        stage = ledger.open_stage(name, "fixture")
        with stage.unit(DONE) as unit:
            unit.commit(Funnel(name, "pairs", n, n))
    with ledger.open_stage("score", "fixture").unit(DONE) as unit:
        unit.commit()
    stage = ledger.open_stage("fetch", "fixture")
    rejected = 0
    for part in range(n_parts):
        mine = rows[part::n_parts]
        name = f"part-{part:05d}"
        with stage.unit(name) as unit:
            tar, parquet = f"samples/{name}.tar", f"samples/{name}.parquet"
            _write_tar(unit.path(tar), tar, mine)
            table = pa.Table.from_pylist([row for row, _ in mine], schema=SAMPLES)
            unit.rows(parquet, write_part(unit.path(parquet), [table], SAMPLES))
            bad = sum(row["outcome"] != "ok" for row, _ in mine)
            rejected += bad
            reasons = {"http_4xx": bad} if bad else {}
            unit.commit(Funnel("fetch", "candidates", len(mine), len(mine) - bad, reasons))
    with stage.unit(DONE) as unit:
        reasons = {"http_4xx": rejected} if rejected else {}
        unit.commit(Funnel("fetch", "candidates", n, n - rejected, reasons))
    return out


def build_shards(
    tmp_path: Path, n: int, *, samples_per_shard: int = 16, workers: int = 1, seed: int = 0
) -> Path:
    """Samples, plan and shards of `n` images under `tmp_path`/out; return the shards' folder."""
    out = build_samples(tmp_path / "out", n)
    run = make_run(
        out,
        workers=workers,
        seed=seed,
        dedup={"near_duplicate_distance": -1},
        shards={"samples_per_shard": samples_per_shard},
    )
    return shard(run)


def shard(run: Run) -> Path:
    """Run the stages `plan` and `shard`; return the shards' folder."""
    for spec in STAGES:
        if spec.command == "shard":
            made = run_stage(spec, run)
    return made.path


def _row(
    i: int, twins: tuple[int, int, int], bad_every: int, fetched: datetime
) -> tuple[dict[str, Any], bytes]:
    twin_every, twin_side, twin_scale = twins
    is_twin = bool(twin_every) and i % twin_every == 0 and i > 0
    picture = i - 1 if is_twin else i
    image, phash = _image(picture, scale=twin_scale if is_twin else 2)
    url = f"http://host{i % 5}.example/images/{i}.jpg"
    text = TEXTS[i % len(TEXTS)].format(i)
    is_ok = not (bad_every and i % bad_every == 0)
    side = twin_side if is_twin else 256
    row = {
        "key": pair_key(url, text),
        "url": url,
        "src_url": url,
        "text": text,
        "text_source": "alt",
        "page_url": f"http://host{i % 5}.example/page{i // 7}.html",
        "position": i % 7,
        "page_lang": LANGS[i % len(LANGS)],
        "declared_width": 0,
        "declared_height": 0,
        "found_in": "live",
        "fetched_at": fetched,
        "optout": [],
        "license_url": "",
        "context": "",
        "extra": '{"NSFW":"UNLIKELY","similarity":0.5}' if i % 3 else "",
        "lang": LANGS[i % len(LANGS)],
        "lang_score": 1.0 if i % 2 else 0.875,
        "lang_detector": "fixture",
        "host": f"host{i % 5}.example",
        "outcome": "ok" if is_ok else "http_4xx",
        "http_status": 200 if is_ok else 404,
        "final_url": url,
        "content_type": "image/jpeg",
        "bytes": len(image),
        "etag": "",
        "last_modified": "",
        "sha256": hashlib.sha256(image).hexdigest() if is_ok else "",
        "phash": phash if is_ok else 0,
        "contrast": 50.0 if is_ok else 0.0,
        "format": "jpeg" if is_ok else "",
        "original_width": side if is_ok else 0,
        "original_height": side if is_ok else 0,
        "width": 64 if is_ok else 0,
        "height": 64 if is_ok else 0,
        "is_animated": False,
        "dns_ms": 0,
        "connect_ms": 0,
        "first_byte_ms": 0,
        "body_ms": 0,
        "fetch_ms": fetched.microsecond % 1000,
        "attempts": 1,
        "image_optout": [],
        "rights_creator": "",
        "rights_copyright": "",
        "rights_license": "",
        "tar": "",
        "offset": 0,
        "length": 0,
    }
    return row, image


def _image(number: int, scale: int) -> tuple[bytes, int]:
    """A JPEG of 64 × 64 pixels and its pHash. The same number at another scale differs in a few
    pixels, as a re-encoded copy does."""
    patches = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(patches).resize((32 * scale, 32 * scale), Image.Resampling.BICUBIC)
    picture = picture.resize((64, 64), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    bits = imagehash.phash(picture).hash.flatten()
    return stream.getvalue(), int("".join("1" if bit else "0" for bit in bits), 2)


def _write_tar(path: Path, name: str, rows: list[tuple[dict[str, Any], bytes]]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for row, image in rows:
            if row["outcome"] != "ok":
                continue
            member = tarfile.TarInfo(f"{row['key'].hex()}.jpg")
            member.size = len(image)
            row |= {"tar": name, "offset": tar.offset + tarfile.BLOCKSIZE, "length": len(image)}
            tar.addfile(member, io.BytesIO(image))
