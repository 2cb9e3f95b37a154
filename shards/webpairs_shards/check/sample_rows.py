"""A row for each sample of a shard, on disk: what `repeats` looks for keys and images in."""

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

_SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("number", pa.int64()),
        ("key", pa.string()),
        ("endings", pa.string()),
        ("image", pa.binary(16)),
    ]
)
_BATCH_ROWS = 20_000


class SampleRows:
    """Writes the rows of one shard: `with SampleRows(path, 3) as rows: rows.add(…)`."""

    def __init__(self, path: Path, shard: int) -> None:
        self._shard = shard
        self._writer = pq.ParquetWriter(path, _SCHEMA)
        self._rows: list[tuple[Any, ...]] = []
        self._n = 0

    def __enter__(self) -> Self:
        return self

    def add(self, key: str, endings: str, image: bytes | None) -> None:
        """One sample."""
        digest = hashlib.sha256(image).digest()[:16] if image else None
        self._rows.append((self._shard, self._n, key, endings, digest))
        self._n += 1
        if len(self._rows) >= _BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = [list(column) for column in zip(*self._rows, strict=True)]
            arrays = [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA))
            self._rows.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flush()
        self._writer.close()
