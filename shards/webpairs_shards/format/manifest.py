"""manifest.json: what a shards folder holds, and the recipe that made it. The folder is finished
when it is there: it is written last."""

from pathlib import Path
from typing import Any

import msgspec

from webpairs_core import __version__
from webpairs_core.errors import SchemaMismatch, ShardCorrupt, ShardError
from webpairs_shards.format.layout import MANIFEST

SCHEMA = "shards/2"


class ShardEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One shard: NAME.tar, NAME.idx, NAME.parquet."""

    name: str
    samples: int
    bytes: int
    """Of the tar."""
    sha256: str
    """Of the tar, 64 hex."""
    idx_sha256: str
    parquet_sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The whole folder."""

    schema: str = SCHEMA
    webpairs: str = __version__
    """The release that wrote it."""
    name: str
    image_format: str
    """jpg, webp or png: the ending of every image."""
    n_samples: int
    shards: list[ShardEntry]
    recipe_digest: str
    """64 hex."""
    recipe: dict[str, Any]
    """In full, defaults included."""


class _Version(msgspec.Struct):
    schema: str


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of manifest.json."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a shards folder.

    Raises ShardError when there is none, ShardCorrupt when it is damaged, SchemaMismatch when this
    release does not know its version.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ShardError(
            f"{folder} holds no {MANIFEST}: give a folder that `webpairs shard` has finished, "
            "e.g. out/NAME/shards"
        ) from None
    return decode_manifest(str(path), data)


def decode_manifest(address: str, data: bytes) -> Manifest:
    """The manifest that lies at `address`, out of its bytes. Raises ShardCorrupt, SchemaMismatch as
    `read_manifest`."""
    try:
        version = msgspec.json.decode(data, type=_Version).schema
        if version != SCHEMA:
            raise SchemaMismatch(
                f"{address} has schema {version!r}, this release reads {SCHEMA!r}: read it with "
                "the release that wrote it, or make the shards again"
            )
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise ShardCorrupt(
            f"{address} is damaged ({error}): make the shards again (webpairs shard --fresh)"
        ) from None


def encode_sizes(manifest: Manifest) -> bytes:
    """The bytes of sizes.json, from which open_clip takes the number of samples of each tar."""
    counts = {f"{entry.name}.tar": entry.samples for entry in manifest.shards}
    return msgspec.json.format(msgspec.json.encode(counts), indent=1) + b"\n"
