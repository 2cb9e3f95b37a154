"""Pairs, and a finished crawl made of them, without any web: for tests of what comes after."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from webpairs_core.funnel import Funnel
from webpairs_core.keys import pair_key
from webpairs_core.ledger import DONE, Ledger
from webpairs_core.records import Pair, TextSource
from webpairs_core.schema import PAIRS, pairs_table, write_part
from webpairs_filters.chain import candidates

FETCHED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make_pair(
    text: str = "a red kite over the harbour",
    url: str = "http://pictures.test/kite.jpg",
    **fields: Any,
) -> Pair:
    """A pair with the key of its URL and text."""
    given = {
        "key": pair_key(url, text),
        "src_url": url,
        "text_source": TextSource.ALT,
        "page_url": "http://pages.test/",
        "fetched_at": FETCHED,
        **fields,
    }
    return Pair(url=url, text=text, **given)


def batch_of(pairs: Iterable[Pair]) -> pa.RecordBatch:
    """Pairs as one batch of schema candidates/2, all on one host."""
    table = pairs_table(pairs).combine_chunks()
    whole = [column.combine_chunks() for column in table.columns]
    batch = pa.RecordBatch.from_arrays(whole, schema=PAIRS)
    return candidates(batch, pa.repeat("pictures.test", len(batch)))


def build_crawl(out: Path, parts: Sequence[Sequence[Pair]]) -> Path:
    """Write a finished crawl of these parts of pairs, with its ledger; return `out`."""
    stage = Ledger(out).open_stage("crawl", "fixture")
    for i, pairs in enumerate(parts):
        with stage.unit(f"part-{i:05d}") as unit:
            name = f"pairs/part-{i:05d}.parquet"
            unit.rows(name, write_part(unit.path(name), [pairs_table(pairs)], PAIRS))
            unit.commit(Funnel("crawl", "pages", len(pairs), len(pairs)))
    with stage.unit(DONE) as unit:
        unit.commit(Funnel("crawl", "pages", 0, 0))
    return out
