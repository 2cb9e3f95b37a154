"""purged.jsonl: what was removed from finished shards, one line a sample, for those who have to
show that it went. It names no address and no text, because somebody asked to be forgotten; its
SHA-256 stands in the manifest. Whoever makes the shards of the same run again leaves these keys
out.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec

from webpairs_core.errors import ShardCorrupt
from webpairs_core.files import file_sha256
from webpairs_shards.format.layout import MANIFEST, PURGED
from webpairs_shards.format.manifest import Manifest, PurgedList


class PurgedSample(msgspec.Struct, frozen=True, kw_only=True):
    """One line."""

    key: str
    """32 hex."""
    shard: str
    """The one that it stood in."""
    sha256: str
    """Of the image's bytes as they were received, 64 hex."""
    phash: str
    """16 hex."""
    by: list[str]
    """The kinds of lists that named it: url, page, domain, page_domain, key, sha256, phash."""
    date: str
    """Of its removal, UTC, e.g. 2026-01-31."""


def encode_purged(samples: Iterable[PurgedSample]) -> bytes:
    """The lines of these samples."""
    return msgspec.json.Encoder().encode_lines(samples)


def purged_list(folder: Path) -> PurgedList | msgspec.UnsetType:
    """What a manifest says about the list in a folder; UNSET where there is none."""
    path = folder / PURGED
    if not path.exists():
        return msgspec.UNSET
    with path.open("rb") as file:
        return PurgedList(sum(1 for _ in file), file_sha256(path))


def check_purged(folder: Path, manifest: Manifest) -> None:
    """Raises ShardCorrupt when the list in a folder is not the one that its manifest signs."""
    if purged_list(folder) != manifest.purged:
        raise ShardCorrupt(
            f"{folder / PURGED} is not the list that {MANIFEST} signs (its SHA-256, or that there "
            "is none): bring back the one that was written with it"
        )


def purged_keys(folder: Path) -> frozenset[bytes]:
    """The keys that the list in a folder names, 16 bytes each; none where there is no list.

    Raises ShardCorrupt for a line that is none.
    """
    path = folder / PURGED
    if not path.exists():
        return frozenset()
    found = path.stat()
    return _keys(path, found.st_mtime_ns, found.st_size)


@cache
def _keys(path: Path, _mtime_ns: int, _n_bytes: int) -> frozenset[bytes]:
    decode = msgspec.json.Decoder(PurgedSample).decode
    try:
        with path.open("rb") as file:
            return frozenset(bytes.fromhex(decode(line).key) for line in file)
    except (msgspec.DecodeError, ValueError) as error:
        raise ShardCorrupt(f"{path} is damaged ({error}): bring back a whole one") from error
