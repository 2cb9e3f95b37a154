"""Exact duplicates and corpus counts of filtered pairs, then what is left in fetch order.

Rows are decided on a few narrow columns; the wide rows move once, in one external sort, without
those that go. Each step looks at hashes first (8 bytes a row, DuckDB's own): only rows whose hash
meets another one are compared in full, so a collision costs time and never changes a result.

Of equal rows the first one stays, by the place where it was found: page, place on the page, source
of the text, then all other columns, the time of the fetch last. So what is kept is a function of
the set of rows, never of the parts they came in. `rid` (part and row) only names a row inside one
query; the order of two rows that agree in every column is the one thing that it may decide.

Fetch order is: hosts by a hash of their name, then URLs by a hash, then keys. So one worker meets
all images of a host together, and all texts of an image, which is downloaded once for them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from webpairs_core.errors import PartCorrupt, StorageError, WebpairsError
from webpairs_core.schema import CANDIDATES, open_part
from webpairs_filters.duplicates.database import Room, open_database
from webpairs_filters.options import DedupSection

_BATCH_ROWS = 8_192
_PLACE = ("page_url", "position", "text_source", "src_url")
_LAST = "fetched_at"
_REST = tuple(name for name in CANDIDATES.names if name not in (*_PLACE, _LAST))
_BY_PLACE = ", ".join(_PLACE)
_BY_ALL = ", ".join(f'"{name}"' for name in (*_PLACE, *_REST, _LAST))
_TABLES = """
    CREATE VIEW rows AS
    SELECT *, file_index::BIGINT * (1::BIGINT << 40) + file_row_number AS rid
    FROM read_parquet(getvariable('parts'));
    -- What goes, and for a duplicate the key of the row that stays.
    CREATE TABLE dropped (rid BIGINT, key BLOB, reason VARCHAR, dup_of BLOB);
    CREATE VIEW left_rows AS SELECT * FROM rows ANTI JOIN dropped USING (rid);
    -- Later rows of a (URL, text) that stay all the same (`none`), counted from 1 for each key.
    CREATE TABLE repeats (rid BIGINT, ordinal BIGINT);
    CREATE VIEW firsts AS SELECT * FROM left_rows ANTI JOIN repeats USING (rid);
"""
# The n-th repeat has half of a SHA-256 of key and n (8 bytes, big-endian) as its key.
_OWN_KEYS = """
    SELECT * EXCLUDE (rid, ordinal, pair) REPLACE (
        CASE WHEN ordinal IS NULL THEN key
        ELSE unhex(sha256(key || unhex(printf('%016x', ordinal)))[:32]) END AS key)
    FROM (SELECT *, key AS pair FROM left_rows LEFT JOIN repeats USING (rid))
    ORDER BY md5_number_lower(host), host, md5_number_lower(url), pair, ordinal NULLS FIRST
"""


@contextmanager
def open_pairs(parts: Sequence[Path], room: Room) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that sees the rows of parts (schema candidates/2) and has decided nothing yet.

    Raises PartCorrupt for a damaged part and StorageError when memory and the disk of `room.spill`
    are not enough; so does whatever is done with the database inside the block.
    """
    for part in parts:
        open_part(part, CANDIDATES).close()
    with open_database(room) as db:
        try:
            db.execute("SET VARIABLE parts = ?", [[str(part) for part in parts]])
            db.execute(_TABLES)
            yield db
        except duckdb.Error as error:
            raise _in_our_words(error, parts[0].parent) from error


def decide(db: duckdb.DuckDBPyConnection, rules: DedupSection) -> dict[str, int]:
    """Say which rows go; return how many, by reason (only reasons that occur).

    In this order: `duplicate_pair`, `text_shared`, `image_shared`, `duplicate_url`.
    """
    _find_later(db, "key")
    if rules.by == "none":
        db.execute("INSERT INTO repeats SELECT rid, ordinal FROM later")
    else:
        _drop_later(db, "duplicate_pair")
    limits = (
        ("text_shared", "text", rules.max_images_per_text),
        ("image_shared", "url", rules.max_texts_per_image),
    )
    used = [limit for limit in limits if limit[2]]
    for reason, column, limit in used:  # both counts come before any of their rows goes
        _count(db, reason, column, limit)
    for reason, column, _ in used:
        db.execute(
            f"INSERT INTO dropped SELECT rid, key, '{reason}', NULL "  # noqa: S608 - our names
            f"FROM left_rows SEMI JOIN {reason} USING ({column})"
        )
    if rules.by == "url":
        _find_later(db, "url")
        _drop_later(db, "duplicate_url")
    counts = db.execute("SELECT reason, count(*) FROM dropped GROUP BY ALL ORDER BY ALL")
    return dict(counts.fetchall())


def kept(db: duckdb.DuckDBPyConnection, rules: DedupSection) -> Iterator[pa.RecordBatch]:
    """The rows that stay, in fetch order, with the columns of schema candidates/2."""
    if rules.by == "none":
        query = _OWN_KEYS
    else:
        query = (
            "SELECT * EXCLUDE (rid) FROM left_rows "
            "ORDER BY md5_number_lower(host), host, md5_number_lower(url), key"
        )
    yield from _batches(db, query)


def rejects(db: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    """The rows that go, with the columns of schema rejects/1, in an order of their own."""
    yield from _batches(
        db, "SELECT key, 'dedup' AS stage, reason, dup_of FROM dropped ORDER BY ALL"
    )


def _batches(db: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from db.sql(query).to_arrow_reader(_BATCH_ROWS)
    except (OSError, pa.ArrowInvalid) as error:
        # Behind an Arrow stream DuckDB's errors take these kinds; the words are the same.
        raise duckdb.Error(str(error)) from error


def _find_later(db: duckdb.DuckDBPyConnection, group: str) -> None:
    """Table `later`: each row of `left_rows` that is not the first with its `group`."""
    db.execute(
        f"""
        CREATE OR REPLACE TABLE met AS
        SELECT hash({group}) AS h FROM left_rows GROUP BY h HAVING count(*) > 1;
        CREATE OR REPLACE TABLE later AS {_later(group, "met", _BY_PLACE)};
        CREATE OR REPLACE TABLE tied AS SELECT DISTINCT h FROM later WHERE is_tied;
        """  # noqa: S608 - our names
    )
    # Twice the same place (a page read twice): only these rows are compared in all columns.
    db.execute(
        f"""
        DELETE FROM later WHERE h IN (SELECT h FROM tied);
        INSERT INTO later {_later(group, "tied", _BY_ALL)}
        """  # noqa: S608 - our names
    )


def _later(group: str, hashes: str, order: str) -> str:
    return f"""
        SELECT * FROM (
            SELECT rid, key, hash({group}) AS h, first_value(key) OVER place AS first,
                row_number() OVER place - 1 AS ordinal,
                row_number() OVER place > rank() OVER place AS is_tied
            FROM left_rows SEMI JOIN {hashes} ON hash({group}) = h
            WINDOW place AS (PARTITION BY {group} ORDER BY {order})
        ) WHERE ordinal > 0
    """  # noqa: S608 - our names


def _drop_later(db: duckdb.DuckDBPyConnection, reason: str) -> None:
    db.execute(f"INSERT INTO dropped SELECT rid, key, '{reason}', first FROM later")  # noqa: S608
    db.execute("DROP TABLE later")


def _count(db: duckdb.DuckDBPyConnection, table: str, column: str, limit: int) -> None:
    """Make `table`: the values of `column` that more than `limit` different pairs have."""
    db.execute(
        f"""
        CREATE OR REPLACE TABLE met AS
        SELECT hash({column}) AS h FROM firsts GROUP BY h HAVING count(*) > {limit};
        CREATE TABLE {table} AS
        SELECT {column} FROM firsts SEMI JOIN met ON hash({column}) = h
        GROUP BY {column} HAVING count(*) > {limit}
        """  # noqa: S608 - our names and an int
    )


def _in_our_words(error: Exception, folder: Path) -> WebpairsError:
    words = str(error).partition("\n")[0]
    if "Out of Memory" in words or "No space left" in words:
        return StorageError(
            f"sorting the pairs needs more memory or disk than there is ({words}): free some space "
            "or choose another place with --out, and run the same command again"
        )
    return PartCorrupt(
        f"a part in {folder} is damaged ({words}): run the filter again with --fresh"
    )
