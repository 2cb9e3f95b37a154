"""Tables that are text: CSV, TSV, JSON lines, one URL a line.

Read line by line in Python and not by Arrow: Arrow gives up a whole file for one broken line, and
takes its types from the first block. Making a key of each row costs more than reading it.
"""

import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import IO, BinaryIO, cast

import msgspec
import pyarrow as pa

from webpairs_core.errors import PartCorrupt, RecipeError
from webpairs_crawler.tables.locate import TableInput
from webpairs_crawler.tables.rows import BATCH_ROWS, RawRows, Row, TableOutcome

MAX_LINE_BYTES = 1 << 20
"""A longer line is a broken row."""
MAX_ROW_LINES = 64
"""Of a CSV row: a quoted text may have line breaks, but one that was never closed would swallow
what follows."""
MAX_ARRAY_BYTES = 64 << 20
"""A JSON file that is one array is read whole."""
_BOM = b"\xef\xbb\xbf"
_BROKEN_LINE = None

Parsed = Row | TableOutcome


def read_lines(stream: BinaryIO, table: TableInput, limit: int | None) -> Iterator[RawRows]:
    """The rows of a text table, at most `limit`, unpacked as they come. Blank lines are none.

    Raises PartCorrupt when the packing is damaged, RecipeError for a JSON array that is too long.
    """
    try:
        if table.packing:
            packed = pa.CompressedInputStream(pa.PythonFile(stream, "r"), table.packing)
            stream = io.BufferedReader(packed, 1 << 16)
        yield from _batches(islice(_PARSERS[table.format](stream, table), limit))
    except OSError as error:
        raise PartCorrupt(f"{table.url} is damaged ({error}): get it again") from error


def _batches(parsed: Iterable[Parsed]) -> Iterator[RawRows]:
    batch = RawRows()
    for number, row in enumerate(parsed):
        if isinstance(row, TableOutcome):
            batch.broken[str(row)] += 1
        else:
            batch.rows.append(row)
            batch.numbers.append(number)
        if batch.n_rows >= BATCH_ROWS:
            yield batch
            batch = RawRows()
    yield batch


def _lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """The lines that are not blank; None for one that is too long."""
    line = stream.readline(MAX_LINE_BYTES).removeprefix(_BOM)
    while line:
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE_BYTES)
            yield _BROKEN_LINE
        elif not line.isspace():
            yield line
        line = stream.readline(MAX_LINE_BYTES)


def _txt(stream: BinaryIO, table: TableInput) -> Iterator[Parsed]:
    for line in _lines(stream):
        if line is _BROKEN_LINE:
            yield TableOutcome.BAD_ROW
            continue
        try:
            yield {table.url_column: line.decode().strip()}
        except UnicodeDecodeError:
            yield TableOutcome.BAD_UTF8


def _json(stream: BinaryIO, table: TableInput) -> Iterator[Parsed]:
    buffered = cast(io.BufferedReader, stream)
    start = buffered.peek(64).removeprefix(_BOM).lstrip()
    lines = _array(buffered, table) if start.startswith(b"[") else _lines(buffered)
    for line in lines:
        yield TableOutcome.BAD_ROW if line is _BROKEN_LINE else _json_row(line)


def _array(stream: IO[bytes], table: TableInput) -> Iterator[bytes]:
    data = stream.read(MAX_ARRAY_BYTES + 1)
    if len(data) > MAX_ARRAY_BYTES:
        raise RecipeError(
            f"{table.url} is one JSON array of more than {MAX_ARRAY_BYTES >> 20} MB: write one "
            "object a line instead (.jsonl)"
        )
    try:
        rows = msgspec.json.decode(data.removeprefix(_BOM), type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PartCorrupt(f"{table.url} is no whole JSON array ({error}): get it again") from None
    yield from (bytes(row) for row in rows)


def _json_row(line: bytes) -> Parsed:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return TableOutcome.BAD_JSON if _is_utf8(line) else TableOutcome.BAD_UTF8
    return row if isinstance(row, dict) else TableOutcome.BAD_JSON


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _csv(stream: BinaryIO, table: TableInput) -> Iterator[Parsed]:
    feed = _Feed(_lines(stream))
    reader = csv.reader(feed, delimiter="\t" if table.format == "tsv" else ",")
    names: list[str] | None = None
    while True:
        feed.begin_row()
        try:
            fields = next(reader)
        except StopIteration:
            break
        except (csv.Error, _EndlessRow):
            feed.give_back()
            yield TableOutcome.BAD_ROW
            continue
        if names is None:
            names = fields
        elif len(fields) != len(names) or feed.is_unbalanced:
            feed.give_back()
            yield TableOutcome.BAD_ROW
        elif feed.is_broken:
            yield TableOutcome.BAD_UTF8
        else:
            yield dict(zip(names, fields, strict=True))


class _EndlessRow(Exception):
    """A quoted field that does not end."""


class _Feed:
    """Gives lines to the CSV reader, and takes back those that a broken row swallowed."""

    def __init__(self, lines: Iterator[bytes | None]) -> None:
        self._lines = lines
        self._returned: deque[bytes | None] = deque()
        self._taken: list[bytes | None] = []
        self.is_broken = False
        """Whether a line of this row is not UTF-8."""

    def begin_row(self) -> None:
        self._taken = []
        self.is_broken = False

    def give_back(self) -> None:
        """Only the first line of this row is lost."""
        self._returned.extendleft(reversed(self._taken[1:]))

    @property
    def is_unbalanced(self) -> bool:
        """Whether this row goes over several lines for a quote that nothing closes."""
        if len(self._taken) < 2:
            return False
        return sum(line.count(b'"') for line in self._taken if line is not None) % 2 == 1

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if len(self._taken) == MAX_ROW_LINES:
            raise _EndlessRow
        line = self._returned.popleft() if self._returned else next(self._lines)
        self._taken.append(line)
        if line is None:
            raise _EndlessRow
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.is_broken = True
            return line.decode(errors="replace")


_PARSERS: dict[str, Callable[[BinaryIO, TableInput], Iterator[Parsed]]] = {
    "csv": _csv,
    "tsv": _csv,
    "json": _json,
    "txt": _txt,
}
