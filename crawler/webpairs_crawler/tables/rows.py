"""What all readers of tables give: raw rows, and what became of each."""

from collections import Counter
from enum import StrEnum
from typing import Any

import msgspec

BATCH_ROWS = 4_096

Row = dict[str, Any]


class TableOutcome(StrEnum):
    """What became of a row of a table: the closed list of the table funnel."""

    OK = "ok"
    NO_URL = "no_url"
    BAD_URL = "bad_url"
    """No absolute http(s) URL."""
    NO_TEXT = "no_text"
    """Its column is mapped, and empty here."""
    BAD_ROW = "bad_row"
    """Another number of fields than the header has, or a line or field without end."""
    BAD_JSON = "bad_json"
    """A line that is no JSON object."""
    BAD_UTF8 = "bad_utf8"


class RawRows(msgspec.Struct):
    """Some consecutive rows of a table."""

    rows: list[Row] = []
    numbers: list[int] = []
    """Of each row in `rows`, its place in the table, from 0; broken rows count too."""
    broken: Counter[str] = msgspec.field(default_factory=Counter)
    """Rows that could not be read, by `TableOutcome`."""

    @property
    def n_rows(self) -> int:
        """All rows, broken ones included."""
        return len(self.rows) + sum(self.broken.values())
