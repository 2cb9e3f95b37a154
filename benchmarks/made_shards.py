"""Finished shards of any size without a run: 256 px JPEGs of 18 kB, captions of 8 to 16 words. It
needs neither the crawler nor the pipeline, so it works on a machine that has little but torch."""

import random
from pathlib import Path

from make_samples import pictures
from webpairs_core.files import file_sha256
from webpairs_core.keys import pair_key
from webpairs_shards.format.layout import MANIFEST, SampleJson, shard_stem
from webpairs_shards.format.manifest import Manifest, ShardEntry, encode_manifest
from webpairs_shards.write.writer import ShardFiles, write_shard

_PER_SHARD = 1_000
_WORDS = [f"{a}{b}" for a in ("ka", "mo", "ti", "su", "re") for b in ("lan", "der", "pit", "ong")]


def make_shards(folder: Path, n: int, *, long_share: float = 0.0) -> Path:
    """Write `n` samples into `folder`, each picture many times, and return the folder; a
    `long_share` of the captions has 80 words."""
    folder.mkdir(parents=True)
    images = pictures()
    entries = []
    for number, start in enumerate(range(0, n, _PER_SHARD)):
        stem = shard_stem(number)
        files = ShardFiles(*(folder / f"{stem}.{end}" for end in ("tar", "idx", "parquet")))
        numbers = range(start, min(start + _PER_SHARD, n))
        samples = sorted(
            ((_sample(i, long_share), images[i % len(images)]) for i in numbers),
            key=lambda made: made[0].key,
        )
        write_shard(files, samples, "jpg")
        entries.append(
            ShardEntry(
                name=stem,
                samples=len(numbers),
                bytes=files.tar.stat().st_size,
                sha256=file_sha256(files.tar),
                idx_sha256=file_sha256(files.idx),
                parquet_sha256=file_sha256(files.parquet),
            )
        )
    manifest = Manifest(
        name="made",
        image_format="jpg",
        n_samples=n,
        shards=entries,
        recipe_digest="0" * 64,
        recipe={},
    )
    (folder / MANIFEST).write_bytes(encode_manifest(manifest))
    return folder


def _sample(i: int, long_share: float) -> SampleJson:
    rng = random.Random(i)
    url = f"https://host{i % 97}.example/images/{i}.jpg"
    n_words = 80 if rng.random() < long_share else rng.randint(8, 16)
    caption = " ".join(rng.choices(_WORDS, k=n_words))
    return SampleJson(
        key=pair_key(url, caption).hex(),
        url=url,
        caption=caption,
        text_source="alt",
        page_url=url,
        page_lang="en",
        lang="en",
        lang_score=1.0,
        host=f"host{i % 97}.example",
        width=256,
        height=256,
        original_width=1024,
        original_height=1024,
        sha256=f"{i:064x}",
        phash=f"{i:016x}",
        license_url="",
        optout="",
        extra="",
    )
