"""A finished OUT up to `dedup`, without any crawl: for tests of the fetch stage."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pairs_fixture import batch_of, make_pair
from webpairs_core.funnel import Funnel
from webpairs_core.ledger import DONE, Ledger
from webpairs_core.schema import CANDIDATES, write_part


def build_candidates(out: Path, urls: Sequence[str], rows_per_part: int) -> Path:
    """Write candidates of these URLs in this order, with their ledger; return `out`."""
    pairs = [make_pair(f"picture number {i}", url) for i, url in enumerate(urls)]
    stage = Ledger(out).open_stage("dedup", "fixture")
    with stage.unit("all") as unit:
        for part, at in enumerate(range(0, len(pairs), rows_per_part)):
            name = f"candidates/part-{part:05d}.parquet"
            some = pairs[at : at + rows_per_part]
            hosts = pa.array([pair.url.split("/")[2].partition(":")[0] for pair in some])
            batch = batch_of(some)
            batch = batch.set_column(batch.schema.get_field_index("host"), "host", hosts)
            unit.rows(name, write_part(unit.path(name), [batch], CANDIDATES))
        unit.commit(Funnel("dedup", "pairs", len(pairs), len(pairs)))
    with stage.unit(DONE) as unit:
        unit.commit(Funnel("dedup", "pairs", len(pairs), len(pairs)))
    return out
