"""The samples that the benchmarks make are samples that the stages take: schemas move on."""

from pathlib import Path

from make_samples import make_samples
from samples_fixture import make_run, shard
from webpairs_core.ledger import Ledger
from webpairs_shards import open_shards


def test_benchmark_samples_become_shards(tmp_path: Path) -> None:
    make_samples(tmp_path / "out", 30)
    for name in ("crawl", "filter", "dedup", "score"):
        with Ledger(tmp_path / "out").open_stage(name, "test").unit("done") as unit:
            unit.commit()
    run = make_run(tmp_path / "out", dedup={"near_duplicate_distance": -1})
    assert len(open_shards(shard(run))) == 30
