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


def example(key: bytes, url: str, text: str) -> Example:
    """One of them, cut to what is shown."""
    return Example(key.hex(), url[:_MAX_CHARS], text[:_MAX_CHARS])


Examples = dict[str, list[Example]]
"""At most `EXAMPLES` for each reason, by key."""


def with_examples(
    known: list[Example], batch: pa.RecordBatch, rows: npt.NDArray[np.int64]
) -> list[Example]:
    """The examples of one reason when it drops these rows of a batch of schema candidates/2, too.

    Most batches have no smaller key than the twenty that are known, and cost next to nothing.
    """
    import numpy as np
    import pyarrow as pa

    keys = batch["key"]
    data = np.frombuffer(keys.buffers()[1], np.dtype((">u8", (KEY_BYTES // 8,))))
    heads = data[keys.offset :][rows, 0]
    known_heads = [int(each.key[:KEY_BYTES], 16) for each in known]
    if len(known) == EXAMPLES:
        is_small = heads < known_heads[-1]
        rows, heads = rows[is_small], heads[is_small]
    # Rows of one key are one pair found again. Half a key tells it from others: it has 64 bits.
    distinct, at = np.unique(heads, return_index=True)
    is_new = ~np.isin(distinct[:EXAMPLES], np.array(known_heads, np.uint64))
    rows = rows[at[:EXAMPLES][is_new]]
    if not len(rows):
        return known
    few = pa.array(rows)
    columns = (batch[name].take(few).to_pylist() for name in ("key", "url", "text"))
    shown = (example(*row) for row in zip(*columns, strict=True))
    return _first([*known, *shown])


def merge_examples(parts: Iterable[Examples]) -> Examples:
    """The examples of all these together."""
    gathered: Examples = {}
    for part in parts:
        for reason, found in part.items():
            gathered.setdefault(reason, []).extend(found)
    return {reason: _first(found) for reason, found in gathered.items()}


def _first(found: Iterable[Example]) -> list[Example]:
    return sorted({each.key: each for each in sorted(found, reverse=True)}.values())[:EXAMPLES]
