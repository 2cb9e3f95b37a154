"""Samples in, one shard out: tar, index, Parquet sidecar. The bytes depend on the samples alone.

The tar is written by webdataset's own TarWriter, so that what its readers expect is its business;
time, owner and mode are fixed, and members stand in alphabetical order.
"""

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import pyarrow as pa
from webdataset.writer import TarWriter

from webpairs_core.errors import PartCorrupt
from webpairs_core.schema import SHARD, PartWriter
from webpairs_core.text import normalise_text
from webpairs_shards.format.index import write_index
from webpairs_shards.format.layout import SampleJson, encode_json

OWNER = "webpairs"
MODE = 0o444
_OPEN_TARS = 128
_HELD_ROWS = 1_000
"""Of the sidecar: a shard may be of a million samples."""


class ShardFiles(msgspec.Struct, frozen=True):
    """Where a shard's files are written."""

    tar: Path
    idx: Path
    parquet: Path


class SampleImages:
    """The encoded images in OUT/samples/*.tar by (tar, offset, length), a few files kept open."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._open: OrderedDict[str, int] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def read(self, tar: str, offset: int, length: int) -> bytes:
        """`length` bytes of the part's tar, exactly. Raises PartCorrupt when they are not there."""
        descriptor = self._open.pop(tar, None)
        if descriptor is None:
            if len(self._open) == _OPEN_TARS:
                os.close(self._open.popitem(last=False)[1])
            try:
                descriptor = os.open(self._out / tar, os.O_RDONLY)
            except FileNotFoundError:
                raise PartCorrupt(
                    f"{self._out / tar} is missing: fetch it again (webpairs fetch)"
                ) from None
        self._open[tar] = descriptor
        data = os.pread(descriptor, length, offset)
        if len(data) != length:
            raise PartCorrupt(
                f"{self._out / tar} ends before byte {offset + length:,}: delete it and "
                "fetch again (webpairs fetch)"
            )
        return data

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()


def write_shard(
    files: ShardFiles, samples: Iterable[tuple[SampleJson, bytes]], image_format: str
) -> int:
    """Write a shard of (JSON, encoded image) samples in the order given; return their number."""
    rows: list[dict[str, Any]] = []
    with files.tar.open("wb") as stream, PartWriter(files.parquet, SHARD) as sidecar:
        writer = TarWriter(
            stream, encoder=False, mtime=0, user=OWNER, group=OWNER, mode=MODE, compress=False
        )
        with writer:
            for sample, image in samples:
                members = {
                    "__key__": sample.key,
                    image_format: image,
                    "json": encode_json(sample),
                    "txt": sample.caption.encode(),
                }
                writer.write(members)
                rows.append(msgspec.structs.asdict(sample))
                if len(rows) == _HELD_ROWS:
                    sidecar.write(pa.Table.from_pylist(rows, schema=SHARD))
                    rows.clear()
                    writer.tarstream.members.clear()  # `tarfile` would remember all of them
        sidecar.write(pa.Table.from_pylist(rows, schema=SHARD))
    return write_index(files.idx, files.tar, image_format)


def planned_samples(plan: pa.Table, images: SampleImages) -> Iterator[tuple[SampleJson, bytes]]:
    """The samples of a plan (schema plan/3), with their images. Raises as `SampleImages.read`."""
    for batch in plan.to_batches(max_chunksize=1_000):
        for row in batch.to_pylist():
            yield sample_json(row), images.read(row["tar"], row["offset"], row["length"])


def sample_json(row: dict[str, Any]) -> SampleJson:
    """What a shard says about one row of a plan."""
    return SampleJson(
        key=row["key"].hex(),
        url=row["url"],
        caption=normalise_text(row["text"]),
        other_captions="\n".join(dict.fromkeys(map(normalise_text, row["other_texts"]))),
        text_source=row["text_source"],
        page_url=row["page_url"],
        page_lang=row["page_lang"],
        lang=row["lang"],
        lang_score=round(float(row["lang_score"]), 4),
        host=row["host"],
        width=row["width"],
        height=row["height"],
        original_width=row["original_width"],
        original_height=row["original_height"],
        sha256=row["sha256"],
        phash=f"{row['phash']:016x}",
        license_url=row["license_url"],
        optout=" ".join([*row["optout"], *row["image_optout"]]),
        extra=row["extra"],
    )
