"""Step `balance`: no word may fill the dataset (docs/adr/0014-balance.md). The last one: it counts
what all others have left."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from webpairs_filters.balance.corpus import build_entries, count_words
from webpairs_filters.balance.curve import entry_counts
from webpairs_filters.balance.draw import count_matches
from webpairs_filters.balance.entries import load_entries, write_entries
from webpairs_filters.balance.match import Matcher
from webpairs_filters.balance.settle import Lottery, Matched, Settled, count_corpus, settle
from webpairs_filters.options import BalanceSection
from webpairs_pipeline.plan.database import Work, batches, drop

_ENTRIES = "plan/entries.txt"
_MATCHES = pa.schema(
    [("rank", pa.int64()), ("key", pa.binary(16)), ("matches", pa.list_(pa.uint32()))]
)


def run(work: Work) -> dict[str, Any]:
    """Drop what no entry chooses. Leaves the list of entries beside the plan; returns their counts.

    Raises RecipeError for a list that cannot be read, NothingLeft when none can be built.
    """
    section = work.run.recipe.balance
    if not section.per_entry:
        return {}
    matcher = Matcher(_entries(work, section), ignore_case=section.ignore_case)
    write_entries(work.unit.path(_ENTRIES), matcher.entries)
    work.unit.rows(_ENTRIES, len(matcher.entries))
    path = work.scratch / "matches.arrow"
    _match(work, matcher, path)
    counts = count_corpus((some for _, some in _matched(path)), len(matcher.entries))
    lottery = Lottery(matcher.entries, work.run.recipe.seed)
    settled = settle(
        lambda: (some for _, some in _matched(path)),
        lottery,
        counts,
        section.per_entry,
        section.rule,
    )
    after = _drop(work, settled, path)
    found = entry_counts(matcher.entries, counts, after, section.per_entry)
    return {"balance": msgspec.to_builtins(found)}


def _entries(work: Work, section: BalanceSection) -> tuple[str, ...]:
    if section.entries:
        return load_entries(Path(section.entries), ignore_case=section.ignore_case)
    counted = work.scratch / "words.parquet"
    texts = (batch["text"] for batch in batches(work.db.sql("SELECT text FROM left_over")))
    count_words(texts, counted, ignore_case=section.ignore_case)
    return build_entries([counted], section, work.scratch)


def _match(work: Work, matcher: Matcher, path: Path) -> None:
    """Which entries each text holds, on disk: several passes need it."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, _MATCHES) as writer:
        for batch in batches(work.db.sql("SELECT rank, key, text FROM left_over")):
            columns = [
                batch["rank"],
                batch["key"].cast(pa.binary(16)),
                matcher.match(batch["text"]),
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_MATCHES))


def _matched(path: Path) -> Iterator[tuple[pa.Array, Matched]]:
    with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
        for i in range(reader.num_record_batches):
            batch = reader.get_batch(i)
            yield batch["rank"], Matched(batch["key"].cast(pa.binary()), batch["matches"])


def _drop(work: Work, settled: Settled, path: Path) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Drop the losers; the counts of the entries among the winners."""
    after = np.zeros(len(settled.counts), np.int64)
    for ranks, some in _matched(path):
        reasons = settled.reasons(some)
        is_lost = reasons.is_valid()
        drop(work.db, pa.table({"rank": ranks.filter(is_lost), "reason": reasons.drop_null()}))
        after += count_matches(some.matches.filter(reasons.is_null()), len(after))
    return after
