"""Parquet tables, a batch of a row group at a time."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from webpairs_core.errors import PartCorrupt, RecipeError
from webpairs_crawler.tables.locate import TableInput
from webpairs_crawler.tables.rows import BATCH_ROWS, RawRows

_BUFFER_BYTES = 1 << 20
_MICROSECONDS = "us"


def read_parquet(stream: BinaryIO, table: TableInput, limit: int | None) -> Iterator[RawRows]:
    """The rows of a Parquet file, at most `limit`; memory does not grow with its row groups.

    A string that is not UTF-8 comes as bytes. Raises PartCorrupt when it is no Parquet or damaged,
    RecipeError when its place gives no parts of files.
    """
    if not stream.seekable():
        raise RecipeError(
            f"{table.url} cannot be read: its server gives no parts of files, so download it first"
        )
    number = 0
    try:
        # Without pre_buffer and with a buffer a column chunk is not held whole; without threads
        # the allocator holds 60 MB less, and other workers use the cores.
        file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        names = file.schema_arrow.names
        for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
            batch = batch if limit is None else batch.slice(0, limit - number)
            columns = [_values(column) for column in batch.columns]
            rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
            yield RawRows(rows, list(range(number, number + len(rows))))
            number += len(rows)
            if number == limit:
                return
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # names of columns
        words = str(error).partition("\n")[0]
        raise PartCorrupt(f"{table.url} is no Parquet file or damaged ({words})") from error


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        # Nanoseconds have no Python type.
        column = column.cast(pa.timestamp(_MICROSECONDS, column.type.tz), safe=False)
    try:
        values: list[Any] = column.to_pylist()
    except (UnicodeDecodeError, OverflowError, ValueError):
        values = [_value(scalar) for scalar in column]
    return values


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes() if hasattr(scalar, "as_buffer") else None
    except (OverflowError, ValueError):  # a date outside of Python's years
        return None
