"""Shards: the same bytes whoever writes them, however often they are interrupted."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from samples_fixture import build_samples, make_run, shard
from webpairs_core.errors import PartCorrupt
from webpairs_core.files import file_sha256
from webpairs_core.schema import SAMPLES, read_table
from webpairs_core.text import normalise_text
from webpairs_pipeline import shard_stage
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import STAGES, fingerprint, run_stage
from webpairs_shards.check.verify import verify
from webpairs_shards.read.open import open_shards

SHARD_STAGE = next(spec for spec in STAGES if spec.name == "shard")
SECTIONS: dict[str, Any] = {"shards": {"samples_per_shard": 7}, "seed": 3}


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in folder.iterdir()}


def _run(out: Path, workers: int = 1) -> Run:
    return make_run(out, workers=workers, **SECTIONS)


def test_the_same_bytes_for_any_workers_parts_times_and_hash_seed(tmp_path: Path) -> None:
    later = datetime(2027, 5, 6, 7, 8, 9, 777_000, tzinfo=UTC)
    first = _digests(shard(_run(build_samples(tmp_path / "a", 30, twin_every=7))))
    assert len(first) == 4 * 3 + 4
    other = build_samples(tmp_path / "b", 30, n_parts=4, twin_every=7, fetched=later)
    assert _digests(shard(_run(other, workers=2))) == first

    program = (
        "from pathlib import Path\n"
        "from samples_fixture import build_samples, make_run, shard\n"
        f"out = build_samples(Path({str(tmp_path / 'c')!r}), 30, twin_every=7)\n"
        f"shard(make_run(out, **{SECTIONS!r}))\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345", "TZ": "Asia/Seoul", "LC_ALL": "C"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=120)
    assert _digests(tmp_path / "c/shards") == first


def test_the_images_are_the_fetched_ones_exactly(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 20, bad_every=6)
    reader = open_shards(shard(_run(out)))
    written = {sample.key: sample for sample in map(reader.read, range(reader.n_samples))}
    n = 0
    for path in sorted(out.glob("samples/*.parquet")):
        for row in read_table(path, SAMPLES).to_pylist():
            if row["outcome"] == "ok":
                tar = (out / row["tar"]).read_bytes()
                image = tar[row["offset"] : row["offset"] + row["length"]]
                assert written[row["key"].hex()].image == image
                assert written[row["key"].hex()].text == normalise_text(row["text"])
                json = msgspec.json.decode(written[row["key"].hex()].json)
                assert list(json)[-1] == "extra"
                assert json["extra"] == row["extra"]
                n += 1
    assert n == reader.n_samples == 16


def test_what_is_made_is_without_fault(tmp_path: Path) -> None:
    run = _run(build_samples(tmp_path, 30, twin_every=7))
    folder = shard(run)
    report = verify(folder)
    assert report.faults == []
    made = run_stage(SHARD_STAGE, run)  # done before: from the ledger
    (funnel,) = made.funnels
    assert (funnel.stage, funnel.noun) == ("shard", "samples")
    assert funnel.rows_in == funnel.kept == report.n_samples == 26
    assert made.info == {"n_samples": 26, "n_shards": 4, "bytes": report.n_bytes}
    assert made.path == folder


def test_an_interrupted_run_goes_on_and_ends_equal(tmp_path: Path) -> None:
    whole = _digests(shard(_run(build_samples(tmp_path / "a", 30))))
    run = _run(build_samples(tmp_path / "b", 30))
    shard(run)
    stage = run.ledger.stage("shard")
    before = (run.out / "shards/shard-000000.tar").stat().st_ino
    for unit in ("done", "manifest", "shard-000002"):
        (stage.folder / f"{unit}.json").unlink()
    for name in ("manifest.json", "shard-000002.tar"):
        (run.out / "shards" / name).unlink()
    assert _digests(shard(run)) == whole
    assert (run.out / "shards/shard-000000.tar").stat().st_ino == before  # not written again


def test_another_seed_makes_other_shards(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 20)
    first = _digests(shard(_run(out)))
    second = _digests(shard(make_run(out, **SECTIONS | {"seed": 4})))
    assert set(first) == set(second)
    assert first["shard-000000.tar"] != second["shard-000000.tar"]


def test_fewer_shards_leave_none_of_the_old_behind(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 20)
    shard(_run(out))
    folder = shard(make_run(out, shards={"samples_per_shard": 20}))
    assert [path.name for path in folder.glob("*.tar")] == ["shard-000000.tar"]
    assert verify(folder).faults == []


def test_a_cut_samples_tar_is_named(tmp_path: Path) -> None:
    run = _run(build_samples(tmp_path, 20))
    for spec in STAGES:
        if spec.name == "plan":
            run_stage(spec, run)
    stage = run.ledger.open_stage("shard", fingerprint(SHARD_STAGE, run))
    tar = run.out / "samples/part-00001.tar"
    tar.write_bytes(tar.read_bytes()[:2_000])
    with pytest.raises(PartCorrupt, match=r"part-00001\.tar ends before byte"):
        shard_stage.run(run, stage)
    with pytest.raises(PartCorrupt, match="where the ledger says"):
        run_stage(SHARD_STAGE, run)
    assert not (run.out / "shards/manifest.json").exists()
