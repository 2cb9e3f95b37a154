"""Examples of what each reason drops, for a person: the same ones however the rows came.

Of the rows that a reason drops first, those of the smallest keys: keys are digests, so that is a
fair draw, and it does not depend on the order of rows or on the borders of parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from webpairs_core.keys import KEY_BYTES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

EXAMPLES = 20
"""Of each reason."""
_MAX_CHARS = 300
"""Of a text or URL that is shown."""


class Example(msgspec.Struct, frozen=True, order=True):
    """One rejected pair."""

    key: str
    """32 hex digits."""
    url: str
    """The URL and the text, cut at 300 characters."""
    text: str


Examples = dict[str, list[Example]]
"""At most `EXAMPLES` for each reason, by key."""


def examples_of(
    batch: pa.RecordBatch, rows: npt.NDArray[np.int64], reason: str
) -> dict[str, list[Example]]:
    """Examples among the rows of a batch of schema candidates/2 that one reason drops."""
    import numpy as np
    import pyarrow as pa

    if not len(rows):
        return {}
    keys = batch["key"]
    data = np.frombuffer(keys.buffers()[1], np.dtype((">u8", KEY_BYTES // 8)))
    heads = data[keys.offset :][: len(keys), 0][rows]
    if len(rows) > EXAMPLES:
        # Rows of one key are one pair found again: the smallest twenty are of different keys.
        distinct = np.unique(heads)[:EXAMPLES]
        rows = rows[heads <= distinct[-1]]
    few = batch.select(["key", "url", "text"]).take(pa.array(rows)).to_pylist()
    shown = (
        Example(row["key"].hex(), row["url"][:_MAX_CHARS], row["text"][:_MAX_CHARS]) for row in few
    )
    return {reason: _first(shown)}


def merge_examples(parts: Iterable[Examples]) -> Examples:
    """The examples of all these together."""
    gathered: Examples = {}
    for part in parts:
        for reason, found in part.items():
            gathered.setdefault(reason, []).extend(found)
    return {reason: _first(found) for reason, found in gathered.items()}


def _first(found: Iterable[Example]) -> list[Example]:
    return sorted({each.key: each for each in sorted(found, reverse=True)}.values())[:EXAMPLES]
