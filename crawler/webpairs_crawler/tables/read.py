"""From the rows of a table that somebody else made to pairs.

Nobody saw a page: the pair stands as the table says it. What else a row holds travels in `extra`,
typed as it was, so that a later filter or a reader of the shards still has it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webpairs_core.errors import RecipeError
from webpairs_core.keys import pair_key
from webpairs_core.records import TextSource
from webpairs_core.schema import PAIRS
from webpairs_core.text import normalise_text
from webpairs_crawler.tables.cells import extra_of, signals_of, text_of
from webpairs_crawler.tables.lines import read_lines
from webpairs_crawler.tables.locate import TableInput
from webpairs_crawler.tables.parquet import read_parquet
from webpairs_crawler.tables.rows import RawRows, Row, TableOutcome
from webpairs_crawler.web.urls import canonical

PAGE_URL = "page_url"
"""A column of this name says where a pair was found (as in cc2dataset's tables). Without one the
pair has no page: `found_in` names the table and the row."""
OPTOUT = "optout"
"""A column of this name holds opt-out signals that were seen before, as a list or with spaces
between: our own pairs and the sidecars of our shards have one. A second run must know them."""
_LOOK_ROWS = 100
_EPOCH = datetime.fromtimestamp(0, UTC)
_MAX_POSITION = 2**31 - 1
"""Positions only break ties; a longer table begins again."""


class TableBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Some consecutive rows of a table."""

    pairs: pa.Table
    """Schema pairs/2, in table order."""
    outcomes: dict[str, int]
    """Rows by `TableOutcome`; their sum is what came in, `ok` is what was kept."""
    n_shortened: int
    """Rows whose `extra` lost its longest values."""


def read_table(
    stream: BinaryIO, table: TableInput, limit: int | None = None
) -> Iterator[TableBatch]:
    """Read a table from its start, at most `limit` rows of it, in batches.

    Broken rows are counted, never raised. Raises RecipeError when it lacks a column that the
    recipe names, PartCorrupt when the file as a whole is damaged.
    """
    read = read_parquet if table.format == "parquet" else read_lines
    is_first = True
    for raw in read(stream, table, limit):
        if is_first:
            _check_columns(raw, table)
        is_first = False
        yield _batch(raw, table)


def check_table(stream: BinaryIO, table: TableInput) -> None:
    """Look at the start of a table; raises as `read_table`."""
    for _ in read_table(stream, table, _LOOK_ROWS):
        pass


def _check_columns(raw: RawRows, table: TableInput) -> None:
    columns = dict.fromkeys(name for row in raw.rows for name in row)
    wanted = {"url": table.url_column, "text": table.text_column}
    for field, name in wanted.items():
        if columns and name and name not in columns:
            raise RecipeError(
                f"{table.url} has no column {name!r}, only {', '.join(map(str, columns))}: set "
                f"{field} of its entry in crawl.tables to one of these"
            )


class _Rows(msgspec.Struct):
    """The pairs of a batch, by column."""

    numbers: list[int] = []
    keys: list[bytes] = []
    urls: list[str] = []
    texts: list[str] = []
    pages: list[str] = []
    optouts: list[list[str]] = []
    extras: list[str] = []
    n_shortened: int = 0


def _batch(raw: RawRows, table: TableInput) -> TableBatch:
    outcomes = raw.broken
    kept = _Rows()
    for number, row in zip(raw.numbers, raw.rows, strict=True):
        outcomes[_add(kept, number, row, table)] += 1
    return TableBatch(
        pairs=_pairs(kept, table),
        outcomes={str(outcome): n for outcome, n in sorted(outcomes.items()) if n},
        n_shortened=kept.n_shortened,
    )


def _add(kept: _Rows, number: int, row: Row, table: TableInput) -> TableOutcome:
    """Turn one row into a pair, if it is one."""
    given = text_of(row.pop(table.url_column, None))
    written = text_of(row.pop(table.text_column, None)) if table.text_column else ""
    if given is None or written is None:
        return TableOutcome.BAD_UTF8
    if not given:
        return TableOutcome.NO_URL
    url = canonical(given)
    if url is None:
        return TableOutcome.BAD_URL
    text = normalise_text(written)
    if table.text_column and not text:
        return TableOutcome.NO_TEXT
    page = row.get(PAGE_URL)
    page_url = canonical(page) if isinstance(page, str) else None
    if page_url:
        del row[PAGE_URL]
    optout = signals_of(row.get(OPTOUT))
    if optout is not None:
        del row[OPTOUT]
    extra, is_shortened = extra_of(row)
    kept.n_shortened += is_shortened
    kept.numbers.append(number)
    kept.keys.append(pair_key(url, text))
    kept.urls.append(url)
    kept.texts.append(text)
    kept.pages.append(page_url or "")
    kept.optouts.append(optout or [])
    kept.extras.append(extra)
    return TableOutcome.OK


def _pairs(kept: _Rows, table: TableInput) -> pa.Table:
    n_rows = len(kept.urls)
    if not n_rows:
        return PAIRS.empty_table()
    numbers = pa.array(np.array(kept.numbers, dtype=np.int64))
    urls = pa.array(kept.urls, pa.string())
    where = pc.binary_join_element_wise(table.url, numbers.cast(pa.string()), "#")
    columns = {
        "key": pa.array(kept.keys, PAIRS.field("key").type),
        "url": urls,
        "src_url": urls,
        "text": pa.array(kept.texts, pa.string()),
        "page_url": pa.array(kept.pages, pa.string()),
        "optout": pa.array(kept.optouts, PAIRS.field("optout").type),
        "position": pc.bit_wise_and(numbers, _MAX_POSITION).cast(pa.int32()),
        "found_in": where,
        "extra": pa.array(kept.extras, pa.string()),
    }
    shared = {
        "text_source": str(TextSource.TABLE),
        "page_lang": "",
        "declared_width": 0,
        "declared_height": 0,
        # When the table was made is not known, and when it was read must decide nothing.
        "fetched_at": _EPOCH,
        "license_url": "",
        "context": "",
    }
    for column, value in shared.items():
        columns[column] = pa.repeat(pa.scalar(value, PAIRS.field(column).type), n_rows)
    return pa.Table.from_arrays([columns[name] for name in PAIRS.names], schema=PAIRS)
