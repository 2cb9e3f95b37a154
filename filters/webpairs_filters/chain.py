"""Filters in the order of the recipe, over batches: what one drops, the next ones never keep.

For the funnel by rule every filter is asked for every row of the batch, also for those that an
earlier one drops: what it says of all of them is what its reasons would drop alone. Not so a costly
one (`PairFilter.is_costly`: a language detector, a tagger): it is asked for the rows that reach it,
and counts those.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from webpairs_core.keys import KEY_BYTES
from webpairs_core.schema import CANDIDATES, REJECTS
from webpairs_filters.base import PairFilter
from webpairs_filters.examples import Examples, with_examples

_STAGE = "filter"


class Split(NamedTuple):
    """A batch in two: together its rows, each once."""

    kept: pa.RecordBatch
    """Schema candidates/2, the filter columns filled."""
    rejects: pa.Table
    """Schema rejects/1."""


class Judged(NamedTuple):
    """What a chain of filters says of a batch."""

    kept: pa.RecordBatch
    """Schema candidates/2, the filter columns filled."""
    rejects: pa.Table
    """Schema rejects/1: each row with the reason of the first filter that has one."""
    alone: dict[str, int]
    """For each reason of the filters the rows that it would drop if it were the only one. A filter
    with several reasons gives a row one of them."""
    examples: Examples
    """Some rejects of each reason, of this batch and of those before it."""


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


def split(batch: pa.RecordBatch, reasons: pa.Array) -> Split:
    """Part the rows with a reason from those without (null)."""
    dropped = pc.is_valid(reasons)
    rejects = _rejects(batch["key"].filter(dropped), reasons.filter(dropped))
    return Split(batch.filter(pc.invert(dropped)), rejects)


def judge(
    filters: Sequence[PairFilter], batch: pa.RecordBatch, known: Examples | None = None
) -> Judged:
    """Apply filters in order to a batch of schema candidates/2.

    `known` are the examples of the batches before: those of this one join them.
    """
    is_left = np.ones(len(batch), np.bool_)
    would_drop = {reason: ~is_left for each in filters for reason in each.reasons}
    narrow, places = batch, np.arange(len(batch))  # what costly filters saw, and where it stands
    rejects, examples = [REJECTS.empty_table()], dict(known or {})
    for each in filters:
        if each.is_costly:
            narrow, places = _narrowed(narrow, places, is_left)
            narrow = each.annotate(narrow)
            said, at = each.reject_batch(narrow), places
        else:
            said, at = each.reject_batch(batch), np.arange(len(batch))
        if said.null_count == len(said):
            continue
        has_reason = pc.is_valid(said)
        rows, reasons = at[has_reason.to_numpy(zero_copy_only=False)], said.filter(has_reason)
        is_first = is_left[rows]
        is_left[rows] = False
        for reason in each.reasons:
            has_this = _are(reasons, reason)
            would_drop[reason][rows[has_this]] = True
            if (dropped := rows[has_this & is_first]).size:
                examples[reason] = with_examples(examples.get(reason, []), batch, dropped)
        keys = batch["key"].take(pa.array(rows[is_first]))
        rejects.append(_rejects(keys, reasons.filter(pa.array(is_first))))
    kept, _ = _narrowed(narrow, places, is_left)
    alone = {reason: int(np.count_nonzero(mask)) for reason, mask in would_drop.items()}
    return Judged(kept, pa.concat_tables(rejects), alone, examples)


def _narrowed(
    batch: pa.RecordBatch, places: npt.NDArray[np.int64], is_left: npt.NDArray[np.bool_]
) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    """The rows that are left, and their places."""
    mask = is_left[places]
    if mask.all():
        return batch, places
    return batch.filter(pa.array(mask)), places[mask]


def _are(reasons: pa.Array, reason: str) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = pc.equal(reasons, reason).to_numpy(zero_copy_only=False)
    return mask


def _rejects(keys: pa.Array, reasons: pa.Array) -> pa.Table:
    n = len(keys)
    columns = [keys, pa.repeat(_STAGE, n), reasons, pa.nulls(n, pa.binary(KEY_BYTES))]
    return pa.Table.from_arrays(columns, schema=REJECTS)
