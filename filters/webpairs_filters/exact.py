"""Every filtered pair in fetch order, with its exact repeats side by side.

One sort does two jobs. Fetch order is: hosts by a hash of their name, then keys; so one worker
meets all images of a host together. Equal keys mean an equal URL, hence an equal host, so repeats
of a pair are neighbours there, and finding them takes no memory. The sort is DuckDB's: it stays
under its memory limit and spills. All columns break ties, the time of the fetch last: the order is
a function of the set of rows, never of the parts they came in.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from webpairs_core.errors import PartCorrupt, StorageError, WebpairsError
from webpairs_core.keys import KEY_BYTES
from webpairs_core.schema import CANDIDATES, open_part

_MEMORY = "1GB"
"""What DuckDB may hold before it spills; it changes speed, never the result."""
_BATCH_ROWS = 8_192
_FIRST = ("key", "page_url", "position", "text_source", "src_url")
_LAST = ("fetched_at",)


class Repeats(NamedTuple):
    """A batch and, for each of its rows, how many rows of the same key came before it."""

    batch: pa.RecordBatch
    ordinals: npt.NDArray[np.int64]


def fetch_order(
    parts: Sequence[Path], spill: Path, threads: int, memory: str = _MEMORY
) -> Iterator[pa.RecordBatch]:
    """The rows of parts of schema candidates/2, sorted as the module says.

    `spill` is a folder for DuckDB's own files. Raises PartCorrupt for a damaged part, StorageError
    when memory and the disk of `spill` are not enough.
    """
    for part in parts:
        open_part(part, CANDIDATES).close()
    middle = [name for name in CANDIDATES.names if name not in _FIRST + _LAST]
    order = ", ".join(f'"{name}"' for name in [*_FIRST, *middle, *_LAST])
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(spill),
        "threads": threads,
        "preserve_insertion_order": False,
    }
    with duckdb.connect(config=settings) as connection:
        # It draws on stdout, terminal or not, and stdout carries the command's result.
        connection.execute("SET enable_progress_bar = false")
        try:
            rows = connection.read_parquet([str(part) for part in parts])
            ordered = rows.order(f"md5_number_lower(host), host, {order}")
            yield from ordered.to_arrow_reader(_BATCH_ROWS)
        except (duckdb.Error, OSError, pa.ArrowInvalid) as error:
            # Behind the Arrow stream an error of DuckDB is an OSError; its words are the same.
            raise _in_our_words(error, parts[0].parent) from error


def count_repeats(batches: Iterable[pa.RecordBatch]) -> Iterator[Repeats]:
    """Number the rows of each key, 0 for the first. Rows of a key must be neighbours."""
    last_key, last_ordinal = b"", -1
    for batch in batches:
        if not len(batch):
            continue
        keys = batch["key"].cast(pa.binary())
        before = pa.concat_arrays([pa.array([last_key], pa.binary()), keys[:-1]])
        is_repeat = pc.equal(keys, before).to_numpy(zero_copy_only=False)
        places = np.arange(len(keys), dtype=np.int64)
        # The place of the first row of each run; a run may have begun in the batch before.
        starts = np.maximum.accumulate(np.where(is_repeat, -1 - last_ordinal, places))
        ordinals = places - starts
        last_key, last_ordinal = keys[-1].as_py(), int(ordinals[-1])
        yield Repeats(batch, ordinals)


def give_own_keys(repeats: Repeats) -> pa.RecordBatch:
    """The batch with a key of its own for each repeat: the first keeps the key of the pair."""
    keys = [
        repeat_key(key, int(n)) if n else key
        for key, n in zip(repeats.batch["key"].to_pylist(), repeats.ordinals, strict=True)
    ]
    return repeats.batch.set_column(
        repeats.batch.schema.get_field_index("key"), "key", pa.array(keys, pa.binary())
    )


def repeat_key(key: bytes, ordinal: int) -> bytes:
    """The key of the `ordinal`-th repeat of a pair: half of a SHA-256 of both (16 bytes)."""
    return hashlib.sha256(key + ordinal.to_bytes(8, "big")).digest()[:KEY_BYTES]


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
