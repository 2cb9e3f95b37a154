"""What balance did to the entries' counts, for the report: MetaCLIP's tables and figure."""

import msgspec
import numpy as np

from webpairs_filters.balance.draw import Counts

_POINTS = 101
_TOP = 20


class EntryCount(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs that hold one entry."""

    entry: str
    before: int
    after: int


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Matches of the `n_entries` rarest entries (by their count before), added up."""

    n_entries: int
    before: int
    after: int


class EntryCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts before and after by entry. A pair counts once for each entry that it holds."""

    per_entry: int
    n_entries: int
    n_matched: int
    """Entries that some pair holds."""
    n_head: int
    """Entries with more pairs than `per_entry` before; all others are the tail."""
    tail_share_before: float
    """Share of the matches that are the tail's, 0 to 1; 0 when nothing matches."""
    tail_share_after: float
    top: tuple[EntryCount, ...]
    """The most frequent entries before, at most 20."""
    curve: tuple[CurvePoint, ...]
    """Entries from rare to frequent and their matches added up, at most 101 points: figure 2 of
    Xu et al. 2023 has this curve for several values of t."""


def entry_counts(
    entries: tuple[str, ...], before: Counts, after: Counts, per_entry: int
) -> EntryCounts:
    """The report's figures from the counts of all entries before and after."""
    order = np.lexsort((np.arange(len(entries))[::-1], before))  # equal counts: the list's order
    is_tail = before <= per_entry
    ends = np.unique(np.linspace(0, len(entries), _POINTS).astype(np.int64))
    sums = [np.concatenate(([0], np.cumsum(counts[order])))[ends] for counts in (before, after)]
    return EntryCounts(
        per_entry=per_entry,
        n_entries=len(entries),
        n_matched=int(np.count_nonzero(before)),
        n_head=int(np.count_nonzero(~is_tail)),
        tail_share_before=_share(before, is_tail),
        tail_share_after=_share(after, is_tail),
        top=tuple(
            EntryCount(entry=entries[i], before=int(before[i]), after=int(after[i]))
            for i in order[::-1][:_TOP].tolist()
            if before[i]
        ),
        curve=tuple(
            CurvePoint(n_entries=n, before=b, after=a)
            for n, b, a in zip(ends.tolist(), sums[0].tolist(), sums[1].tolist(), strict=True)
        ),
    )


def _share(counts: Counts, is_tail: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> float:
    total = int(counts.sum())
    return int(counts[is_tail].sum()) / total if total else 0.0
