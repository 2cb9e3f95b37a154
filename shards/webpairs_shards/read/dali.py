"""Indexes for NVIDIA DALI, whose `fn.readers.webdataset` seeks in a tar by an index of its own.

Its format, v1.2, is a text: `v1.2 SAMPLES`, then a line for each sample with `ENDING OFFSET BYTES
NAME` for each of its members, in the order of the tar. DALI's tool for it, wds2idx, lists every
tar; ours lists none, because the .idx beside the tar says the same.
Source: https://docs.nvidia.com/deeplearning/dali/user-guide/docs/examples/general/data_loading/dataloading_webdataset.html
"""

from pathlib import Path

from webpairs_core.errors import ShardCorrupt, ShardError
from webpairs_core.files import write_atomic
from webpairs_shards.format.index import Records
from webpairs_shards.format.layout import MANIFEST, member_extensions
from webpairs_shards.read.open import open_shards
from webpairs_shards.stores.store import FolderStore

_PLACES = {"json": "json", "txt": "text"}


def write_dali_indexes(shards: Path, folder: Path) -> int:
    """Write `folder`/NAME.idx for each NAME.tar of a folder of shards; return their number.

    Raises ShardError where `folder` holds shards itself, whose own .idx would be lost, and else as
    `open_shards`.
    """
    manifest = open_shards(shards).manifest
    if (folder / MANIFEST).exists():
        raise ShardError(f"{folder} holds shards, whose own .idx would be lost: choose another one")
    for entry in manifest.shards:
        if Path(entry.name).name != entry.name:
            raise ShardCorrupt(f"{shards / MANIFEST} has a shard {entry.name!r}: that is no name")
    store = FolderStore(shards, manifest)
    for number, entry in enumerate(manifest.shards):
        text = dali_index(store.records(number), manifest.image_format)
        write_atomic(folder / f"{entry.name}.idx", text.encode())
    store.close()
    return len(manifest.shards)


def dali_index(records: Records, image_format: str) -> str:
    """What DALI wants to know of a tar with these samples."""
    endings = member_extensions(image_format)
    columns = [
        records[f"{_PLACES.get(ending, 'image')}_{what}"].tolist()
        for ending in endings
        for what in ("offset", "bytes")
    ]
    lines = [f"v1.2 {len(records)}"]
    for key, *places in zip(records["key"].tolist(), *columns, strict=True):
        name = key.hex()
        members = zip(endings, places[::2], places[1::2], strict=True)
        lines.append(" ".join(f"{end} {at} {size} {name}.{end}" for end, at, size in members))
    return "\n".join(lines) + "\n"
