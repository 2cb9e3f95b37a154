"""The .idx beside a tar: where each member of each sample lies, so that any sample can be read
without walking the tar, and a stream can start anywhere.

Format (little-endian; shards/README.md says it for readers in other languages): a header of 32
bytes, then one record of 64 bytes for each sample, in the order of the tar. It is made by walking
the finished tar, not by trusting the writer.
"""

import mmap
import re
import struct
import zlib
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from webpairs_core.errors import SchemaMismatch, ShardCorrupt
from webpairs_shards.format.layout import member_extensions

MAGIC = b"wpairidx"
VERSION = 1
RECORD = np.dtype(
    [
        ("key", "V16"),
        ("image_offset", "<u8"),
        ("json_offset", "<u8"),
        ("text_offset", "<u8"),
        ("image_bytes", "<u4"),
        ("json_bytes", "<u4"),
        ("text_bytes", "<u4"),
        ("crc32", "<u4"),
        ("reserved", "<u8"),
    ]
)
"""Offsets and sizes of the members' data, in bytes from the start of the tar, and their `checksum`.
64 bytes."""
_HEADER = struct.Struct("<8sIIQ8s")
_BLOCK = 512
_KEY = re.compile(rb"[0-9a-f]{32}")
_AGAIN = "make the shards again (webpairs shard --fresh)"

Records = npt.NDArray[np.void]


class Index(msgspec.Struct, frozen=True):
    """What an .idx says."""

    image_format: str
    tar_bytes: int
    """Size of the tar that it belongs to."""
    records: Records
    """dtype RECORD, one for each sample, in the order of the tar; mapped, not loaded."""


def write_index(path: Path, tar: Path, image_format: str) -> int:
    """Make the index of a finished tar; return its number of samples.

    Raises ShardCorrupt when the tar is not one that this project writes.
    """
    records = walk_tar(tar, image_format)
    header = _HEADER.pack(
        MAGIC, VERSION, len(records), tar.stat().st_size, image_format.encode().ljust(8, b"\0")
    )
    path.write_bytes(header + records.tobytes())
    return len(records)


def read_index(path: Path) -> Index:
    """Map an index. Raises ShardCorrupt when it is missing or damaged, SchemaMismatch when its
    version is another."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
    except FileNotFoundError:
        raise ShardCorrupt(f"{path} is missing: {_AGAIN}") from None
    n_samples, tar_bytes, image_format = _read_header(str(path), header, path.stat().st_size)
    records = np.memmap(path, RECORD, "r", _HEADER.size, (n_samples,))
    return Index(image_format, tar_bytes, records)


def parse_index(address: str, data: bytes) -> Index:
    """The index that lies at `address`, out of its bytes. Raises as `read_index`."""
    n_samples, tar_bytes, image_format = _read_header(address, data[: _HEADER.size], len(data))
    records = np.frombuffer(data, RECORD, n_samples, _HEADER.size)
    return Index(image_format, tar_bytes, records)


def index_bytes(n_samples: int) -> int:
    """The size of the index of so many samples."""
    return _HEADER.size + n_samples * RECORD.itemsize


def _read_header(address: str, header: bytes, n_bytes: int) -> tuple[int, int, str]:
    """Samples, bytes of the tar and image format that the header of an index of `n_bytes` says."""
    if len(header) < _HEADER.size or not header.startswith(MAGIC):
        raise ShardCorrupt(f"{address} is not a shard index: {_AGAIN}")
    _, version, n_samples, tar_bytes, image_format = _HEADER.unpack(header)
    if version != VERSION:
        raise SchemaMismatch(
            f"{address} has index version {version}, this release reads {VERSION}: "
            "read it with the release that wrote it, or make the shards again"
        )
    if n_bytes != index_bytes(n_samples):
        raise ShardCorrupt(
            f"{address} is cut short or too long for {n_samples:,} samples: {_AGAIN}"
        )
    return n_samples, tar_bytes, image_format.rstrip(b"\0").decode("ascii", "replace")


def walk_tar(tar: Path, image_format: str) -> Records:
    """The records of a ustar file whose samples have exactly the members of `layout`, in order.

    Raises ShardCorrupt that names the place where it is something else.
    """
    extensions = member_extensions(image_format)
    places = {"json": "json", "txt": "text", image_format: "image"}
    rows: list[tuple[object, ...]] = []
    with tar.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        offset = 0
        while data[offset : offset + 1] not in (b"", b"\0"):
            found: dict[str, tuple[int, int]] = {}
            key = data[offset : offset + 100].split(b".", 1)[0]
            if not _KEY.fullmatch(key):
                raise ShardCorrupt(f"{tar} has no sample at byte {offset:,}: {key!r} is no key")
            for extension in extensions:
                name = data[offset : offset + 100].rstrip(b"\0")
                if name != key + b"." + extension.encode():
                    raise ShardCorrupt(
                        f"{tar} holds {name!r} at byte {offset:,} where {key!r}.{extension} belongs"
                    )
                size = int(data[offset + 124 : offset + 135], 8)
                found[places[extension]] = (offset + _BLOCK, size)
                offset += _BLOCK + -(-size // _BLOCK) * _BLOCK
            rows.append(_record(key, found, data))
    return np.array(rows, RECORD)


def checksum(image: bytes, json: bytes, text: bytes) -> int:
    """The CRC-32 (zlib's) of a sample: of its image, JSON and caption, one after the other."""
    return zlib.crc32(text, zlib.crc32(json, zlib.crc32(image)))


def _record(key: bytes, found: dict[str, tuple[int, int]], data: mmap.mmap) -> tuple[object, ...]:
    places = [found[part] for part in ("image", "json", "text")]
    image, json, text = (data[offset : offset + size] for offset, size in places)
    return (
        bytes.fromhex(key.decode()),
        *(offset for offset, _ in places),
        *(size for _, size in places),
        checksum(image, json, text),
        0,
    )
