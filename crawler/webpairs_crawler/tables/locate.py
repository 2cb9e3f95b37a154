"""Which files the `[[crawl.tables]]` of a recipe mean, and how each is written."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from webpairs_core.errors import RecipeError
from webpairs_crawler.options import Table
from webpairs_crawler.web.inputs import find

TableFormat = Literal["parquet", "csv", "tsv", "json", "txt"]
Packing = Literal["", "gzip", "zstd"]

_FORMATS: dict[str, TableFormat] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".txt": "txt",
}
_PACKINGS: dict[str, Packing] = {".gz": "gzip", ".zst": "zstd"}


class TableInput(msgspec.Struct, frozen=True, kw_only=True):
    """One table file."""

    url: str
    """A local path, or an http(s) or s3 URL."""
    size: int
    """Bytes; 0 when not known."""
    format: TableFormat
    packing: Packing
    url_column: str
    text_column: str
    """Empty: the rows have no text."""


def locate_tables(tables: Sequence[Table]) -> list[TableInput]:
    """The files of all tables, sorted by URL, each once for each pair of columns asked of it.

    Raises RecipeError when one is not there or of a kind that is not known, StorageError when a
    bucket cannot be listed.
    """
    found: dict[tuple[str, str, str], TableInput] = {}
    for table in tables:
        for file in find([table.path], "the path in crawl.tables"):
            kind, packing = table_kind(file.url)
            if kind == "txt" and table.text:
                raise RecipeError(
                    f"{file.url} has one URL a line and no column {table.text!r}: leave text out "
                    "of its entry in crawl.tables"
                )
            found[file.url, table.url, table.text] = TableInput(
                url=file.url,
                size=file.size,
                format=kind,
                packing=packing,
                url_column=table.url,
                text_column=table.text,
            )
    return [found[key] for key in sorted(found)]


def table_kind(url: str) -> tuple[TableFormat, Packing]:
    """How a table is written, by its name. Raises RecipeError for a name of another kind."""
    name = url.partition("?")[0].lower() if "://" in url else url.lower()
    packing: Packing = ""
    for ending, found in _PACKINGS.items():
        if name.endswith(ending):
            name, packing = name.removesuffix(ending), found
    for ending, kind in _FORMATS.items():
        if name.endswith(ending) and not (kind == "parquet" and packing):
            return kind, packing
    raise RecipeError(
        f"{url} is no table of a known kind: its name must end in {', '.join(_FORMATS)}, all but "
        "Parquet also with .gz or .zst"
    )
