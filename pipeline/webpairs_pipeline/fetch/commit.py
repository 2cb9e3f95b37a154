"""A finished part: its journal becomes a tar of pictures and a Parquet part of outcomes."""

import tarfile
from collections import Counter
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from webpairs_core import files
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Stage
from webpairs_core.records import Outcome
from webpairs_core.schema import CANDIDATES, SAMPLES, write_part
from webpairs_pipeline.fetch.journal import Row
from webpairs_pipeline.fetch.sources import Source

_TAR_HEADER_BYTES = 512
"""ustar, short names: one header block before each member's bytes (POSIX.1-2017 pax, ustar)."""


def commit_part(stage: Stage, source: Source, made: list[tuple[Row, bytes]], ending: str) -> None:
    """Commit a source: `made` has a row and a picture for each of its rows, in their order."""
    name, table = source.unit, source.table()
    tar_name, part_name = f"samples/{name}.tar", f"samples/{name}.parquet"
    names = [f"{key.hex()}.{ending}" for key in table["key"].to_pylist()]
    rows = [row for row, _ in made]
    with files.disk_errors(), stage.unit(name) as unit:
        with PictureTar(unit.path(tar_name)) as tar:
            offsets = [tar.add(name, data) for name, (_, data) in zip(names, made, strict=True)]
        lengths = [len(picture) for _, picture in made]
        tars = [tar_name if at else "" for at in offsets]
        samples = with_outcomes(table, rows, {"tar": tars, "offset": offsets, "length": lengths})
        unit.rows(part_name, write_part(unit.path(part_name), [samples], SAMPLES))
        counts = Counter(str(row.processed.outcome) for row in rows)
        kept = counts.pop(str(Outcome.OK), 0)
        unit.rows(tar_name, kept)
        unit.commit(
            Funnel("fetch", "candidates", len(rows), kept, dict(counts)),
            info={
                "bytes": sum(row.n_bytes for row in rows if not row.fetched.is_unchanged),
                "unchanged": sum(row.fetched.is_unchanged for row in rows),
                "replaced": source.replaced,
                "rests_on": [path.stem for path in source.earlier],
            },
        )


class PictureTar:
    """`with PictureTar(path) as tar: tar.add(name, picture)`: the tar of a part, as it grows."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)

    def __enter__(self) -> Self:
        return self

    def add(self, name: str, picture: bytes) -> int:
        """Append a picture; return where its bytes begin, 0 for none."""
        if not picture:
            return 0
        member = tarfile.TarInfo(name)
        member.size = len(picture)
        member.mtime = 0
        offset = self._tar.offset + _TAR_HEADER_BYTES
        self._tar.addfile(member, BytesIO(picture))
        self._tar.getmembers().clear()  # it would remember each of them
        return offset

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if error is None:
                self._tar.close()


def with_outcomes(table: pa.Table, rows: list[Row], places: dict[str, list[Any]]) -> pa.Table:
    """The candidates with the outcome columns of SAMPLES."""
    columns: dict[str, list[Any]] = {
        "outcome": [str(row.processed.outcome) for row in rows],
        "http_status": [row.fetched.http_status for row in rows],
        "final_url": [row.fetched.final_url for row in rows],
        "content_type": [row.fetched.content_type for row in rows],
        "bytes": [row.n_bytes for row in rows],
        "etag": [row.fetched.etag for row in rows],
        "last_modified": [row.fetched.last_modified for row in rows],
        "sha256": [row.sha256 for row in rows],
        "phash": [row.processed.phash for row in rows],
        "contrast": [row.processed.contrast for row in rows],
        "format": [row.processed.format for row in rows],
        "original_width": [row.processed.original_width for row in rows],
        "original_height": [row.processed.original_height for row in rows],
        "width": [row.processed.width for row in rows],
        "height": [row.processed.height for row in rows],
        "is_animated": [row.processed.is_animated for row in rows],
        "fetch_ms": [row.fetched.fetch_ms for row in rows],
        "dns_ms": [row.fetched.timing.dns_ms for row in rows],
        "connect_ms": [row.fetched.timing.connect_ms for row in rows],
        "first_byte_ms": [row.fetched.timing.first_byte_ms for row in rows],
        "body_ms": [row.fetched.timing.body_ms for row in rows],
        "attempts": [row.fetched.attempts for row in rows],
        "image_optout": [list(row.fetched.optout) for row in rows],
        "rights_creator": [row.processed.rights.creator for row in rows],
        "rights_copyright": [row.processed.rights.copyright for row in rows],
        "rights_license": [row.processed.rights.license for row in rows],
        **places,
    }
    arrays = [table[name] for name in CANDIDATES.names]
    arrays += [pa.array(values, SAMPLES.field(name).type) for name, values in columns.items()]
    return pa.Table.from_arrays(arrays, schema=SAMPLES)
