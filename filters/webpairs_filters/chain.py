"""Filters in the order of the recipe, over batches: what one drops, the next ones never see."""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from webpairs_core.schema import CANDIDATES, REJECTS
from webpairs_filters.base import PairFilter

_STAGE = "filter"


class Judged(NamedTuple):
    """A batch in two: together its rows, each once."""

    kept: pa.RecordBatch
    """Schema candidates/2, the filter columns filled."""
    rejects: pa.Table
    """Schema rejects/1."""


def candidates(pairs: pa.RecordBatch, hosts: pa.Array) -> pa.RecordBatch:
    """A batch of schema pairs/2 with its hosts as schema candidates/2, no language said yet."""
    n = len(pairs)
    columns = [
        *pairs.columns,
        pa.repeat("", n),
        pa.repeat(pa.scalar(0, pa.float32()), n),
        pa.repeat("", n),
        hosts,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=CANDIDATES)


def split(batch: pa.RecordBatch, reasons: pa.Array) -> Judged:
    """Part the rows with a reason from those without (null)."""
    dropped = pc.is_valid(reasons)
    keys = batch["key"].filter(dropped)
    n = len(keys)
    columns = [keys, pa.repeat(_STAGE, n), reasons.filter(dropped), pa.nulls(n, pa.binary(16))]
    rejects = pa.Table.from_arrays(columns, schema=REJECTS)
    return Judged(batch.filter(pc.invert(dropped)), rejects)


def judge(filters: Sequence[PairFilter], batch: pa.RecordBatch) -> Judged:
    """Apply filters in order to a batch of schema candidates/2."""
    rejects = [REJECTS.empty_table()]
    for each in filters:
        batch = each.annotate(batch)
        batch, dropped = split(batch, each.reject_batch(batch))
        rejects.append(dropped)
    return Judged(batch, pa.concat_tables(rejects))
