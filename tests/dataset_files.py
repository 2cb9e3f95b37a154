"""Folders that look like finished datasets and hold random bytes: a copy reads no sample."""

import hashlib
from pathlib import Path

import numpy as np

from webpairs_shards.format.layout import CARD, CROISSANT, MANIFEST, SIZES, shard_stem
from webpairs_shards.format.manifest import Manifest, ShardEntry, encode_manifest, encode_sizes


def random_dataset(folder: Path, *tar_bytes: int, seed: int = 0) -> Path:
    """A shard for each of `tar_bytes`; return `folder`."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    entries = []
    for number, n_bytes in enumerate(tar_bytes):
        digests = {}
        for ending, size in (("tar", n_bytes), ("idx", 96), ("parquet", 700)):
            data = random.bytes(size)
            (folder / f"{shard_stem(number)}.{ending}").write_bytes(data)
            digests[ending] = hashlib.sha256(data).hexdigest()
        entries.append(
            ShardEntry(
                name=shard_stem(number),
                samples=1,
                bytes=n_bytes,
                sha256=digests["tar"],
                idx_sha256=digests["idx"],
                parquet_sha256=digests["parquet"],
            )
        )
    manifest = Manifest(
        name=f"random-{seed}",
        image_format="jpg",
        n_samples=len(entries),
        shards=entries,
        recipe_digest="0" * 64,
        recipe={},
    )
    (folder / SIZES).write_bytes(encode_sizes(manifest))
    (folder / CARD).write_text(f"# random {seed}\n")
    (folder / CROISSANT).write_text(f'{{"name": "random {seed}"}}\n')
    (folder / MANIFEST).write_bytes(encode_manifest(manifest))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, hidden ones as well."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
