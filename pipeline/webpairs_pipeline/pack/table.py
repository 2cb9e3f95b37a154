"""Tables with a path and a caption in each row: CSV, TSV, JSON lines, Parquet. The crawler's
readers of tables read them; a path is taken from the table's folder on, or is absolute."""

import posixpath
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from webpairs_core.errors import RecipeError
from webpairs_core.records import Outcome
from webpairs_core.text import normalise_text
from webpairs_crawler.tables.cells import text_of
from webpairs_crawler.tables.lines import read_lines
from webpairs_crawler.tables.locate import TableInput, table_kind
from webpairs_crawler.tables.parquet import read_parquet
from webpairs_crawler.tables.rows import RawRows, Row
from webpairs_crawler.web.inputs import open_input
from webpairs_pipeline.pack.reading import Refused, read_file, real
from webpairs_pipeline.pack.rows import (
    CAPTIONS,
    Facts,
    SourceRow,
    Unread,
    described,
    row_of,
)

_IMAGES = (
    "image_path",
    "file_name",
    "filepath",
    "image",
    "path",
    "file",
    "filename",
    "img_path",
    "image_file",
)
"""Names of columns of paths, the likeliest first; case does not count. `file_name` is Hugging
Face's, `filepath` (with `title`) is open_clip's."""
_LOOK_ROWS = 100
_SNIFF_BYTES = 1 << 16


def open_table(path: Path, image: str, caption: str) -> TableInput:
    """A table with its two columns: those named, or the likeliest ones.

    Raises RecipeError that names the columns there are when they are not among them, PartCorrupt
    when it cannot be read.
    """
    kind, packing = table_kind(str(path))
    if kind == "txt":
        raise RecipeError(f"{path} is a text file: give a table (.csv, .tsv, .jsonl, .parquet)")
    if kind == "csv" and not packing and _has_tabs(path):
        kind = "tsv"  # open_clip's train.csv
    table = TableInput(
        url=str(path),
        size=path.stat().st_size,
        format=kind,
        packing=packing,
        url_column=image,
        text_column=caption,
    )
    names = _names(table)
    return TableInput(
        url=table.url,
        size=table.size,
        format=kind,
        packing=packing,
        url_column=_column(path, names, image, _IMAGES, "--image-column"),
        text_column=_column(path, names, caption, CAPTIONS, "--caption-column"),
    )


def table_rows(table: TableInput, max_bytes: int) -> Iterator[Unread]:
    """Each row of a table. Raises PartCorrupt when the file as a whole is damaged."""
    folder = posixpath.dirname(table.url)
    root = real(Path(folder))
    with open_input(table.url) as stream:
        read = read_parquet if table.format == "parquet" else read_lines
        for raw in read(stream, table, None):
            for number, row in zip(raw.numbers, raw.rows, strict=True):
                place = f"{table.url}#{number}"
                yield partial(row_of, place, partial(_read, row, table, root, max_bytes))
            broken = SourceRow(place=f"{table.url}: a broken row", refused=Outcome.BAD_ROW)
            for _ in range(sum(raw.broken.values())):
                yield partial(_same, broken)


def _same(row: SourceRow) -> SourceRow:
    return row


def _read(row: Row, table: TableInput, root: str, max_bytes: int) -> tuple[str, Facts, bytes]:
    """Caption, facts and image. Raises Refused."""
    row = dict(row)
    path = row.pop(table.url_column, None)
    text = text_of(row.pop(table.text_column, None))
    if text is None or not isinstance(path, str | None):
        raise Refused(Outcome.BAD_ROW)
    normal = normalise_text(text)
    if not normal:
        raise Refused(Outcome.NO_CAPTION)
    caption, facts = described(normal, row)
    if not path:
        raise Refused(Outcome.MISSING_FILE)
    if posixpath.isabs(path):
        return caption, facts, read_file(path, "", max_bytes)
    return caption, facts, read_file(posixpath.join(root, path), root, max_bytes)


def _names(table: TableInput) -> list[str]:
    with open_input(table.url) as stream:
        read = read_parquet if table.format == "parquet" else read_lines
        raws: Iterable[RawRows] = islice(read(stream, table, _LOOK_ROWS), 1)
        return list(dict.fromkeys(str(name) for raw in raws for row in raw.rows for name in row))


def _column(path: Path, names: list[str], wanted: str, likely: tuple[str, ...], flag: str) -> str:
    if not names:
        raise RecipeError(
            f"{path} has no row that can be read: give a table with a header and rows"
        )
    if wanted:
        if wanted not in names:
            raise RecipeError(f"{path} has no column {wanted!r}, only {', '.join(names)}")
        return wanted
    by_name = {name.lower(): name for name in reversed(names)}
    found = next((by_name[name] for name in likely if name in by_name), None)
    if found is None:
        what = "image paths" if likely is _IMAGES else "captions"
        raise RecipeError(
            f"{path} has no column of {what} that can be told by its name, only "
            f"{', '.join(names)}: name one with {flag}"
        )
    return found


def _has_tabs(path: Path) -> bool:
    with open_input(str(path)) as stream:
        head = stream.readline(_SNIFF_BYTES)
    return b"\t" in head and b"," not in head
