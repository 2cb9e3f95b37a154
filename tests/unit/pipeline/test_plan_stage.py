"""Plans: near-duplicates out, one shuffle over all, nothing that depends on parts or on time."""

import html
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from samples_fixture import build_samples, make_run
from webpairs_core.errors import NothingLeft, PartCorrupt
from webpairs_core.keys import shuffle_rank
from webpairs_core.schema import PLAN, REJECTS, SAMPLES, read_table
from webpairs_filters.duplicates.keeper import best_first
from webpairs_pipeline.report import write_html
from webpairs_pipeline.rules_report import examples_of_run
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import STAGES, fingerprint, run_stage

PLAN_STAGE = next(spec for spec in STAGES if spec.name == "plan")


def _plan(run: Run) -> tuple[Made, list[dict[str, Any]], list[dict[str, Any]]]:
    made = run_stage(PLAN_STAGE, run)
    plan = read_table(run.out / "plan/plan.parquet", PLAN).to_pylist()
    rejects = read_table(run.out / "rejects/plan/part-00000.parquet", REJECTS).to_pylist()
    return made, plan, rejects


def _samples(out: Path) -> dict[bytes, dict[str, Any]]:
    tables = [read_table(path, SAMPLES) for path in sorted(out.glob("samples/*.parquet"))]
    return {row["key"]: row for table in tables for row in table.to_pylist()}


def test_every_fetched_image_is_planned_or_rejected(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 40, twin_every=5, bad_every=8)
    made, plan, rejects = _plan(make_run(out))
    ok = {key for key, row in _samples(out).items() if row["outcome"] == "ok"}
    planned, rejected = {row["key"] for row in plan}, {row["key"] for row in rejects}
    assert planned | rejected == ok
    assert not planned & rejected
    (funnel,) = made.funnels
    assert (funnel.rows_in, funnel.kept) == (len(ok), len(plan))
    assert funnel.rejected == {"near_duplicate": len(rejects)}
    assert len(rejects) > 0


def test_the_larger_image_stays_and_the_reject_names_it(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 40, twin_every=5)
    samples = _samples(out)
    _, plan, rejects = _plan(make_run(out))
    planned = {row["key"] for row in plan}
    assert len(rejects) == 7
    for row in rejects:
        first, twin = samples[row["dup_of"]], samples[row["key"]]
        assert row["dup_of"] in planned
        assert (row["stage"], row["reason"]) == ("plan", "near_duplicate")
        assert first["original_width"] == 256
        assert twin["original_width"] == 128
        assert (first["phash"] ^ twin["phash"]).bit_count() <= 4


def test_of_equally_large_images_the_one_that_says_more_stays(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 40, twin_every=5, twin_side=256)
    texts = {key: row["text"] for key, row in _samples(out).items()}
    _, plan, rejects = _plan(make_run(out))
    planned = {row["key"] for row in plan}
    assert len(rejects) == 7
    for row in rejects:
        assert row["dup_of"] in planned
        kept, gone = (best_first((1, 1), texts[key], key) for key in (row["dup_of"], row["key"]))
        assert kept < gone


def test_distance_off_keeps_all(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 20, twin_every=5)
    made, plan, rejects = _plan(make_run(out, dedup={"near_duplicate_distance": -1}))
    assert (len(plan), rejects) == (20, [])
    assert made.funnels[0].rejected == {}


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_the_order_is_that_of_shuffle_rank(tmp_path: Path, seed: int) -> None:
    out = build_samples(tmp_path, 30)
    _, plan, _ = _plan(make_run(out, seed=seed))
    keys = [row["key"] for row in plan]
    assert keys == sorted(keys, key=lambda key: shuffle_rank(seed, key))


def test_shards_are_filled_evenly_and_in_order(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 23)
    made, plan, _ = _plan(make_run(out, shards={"samples_per_shard": 5}))
    places = [(row["shard"], row["row"]) for row in plan]
    assert places == sorted(places)
    sizes = [sum(shard == i for shard, _ in places) for i in range(5)]
    assert sorted(sizes) == [4, 4, 5, 5, 5]
    assert made.info == {"n_samples": 23, "n_shards": 5}
    assert all(row == 0 or row == last + 1 for (_, last), (_, row) in pairwise(places))


def _without_place(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in ("tar", "offset")} for row in plan]


def test_parts_and_time_change_nothing(tmp_path: Path) -> None:
    later = datetime(2027, 5, 6, 7, 8, 9, 777_000, tzinfo=UTC)
    one = build_samples(tmp_path / "a", 40, n_parts=1, twin_every=5)
    two = build_samples(tmp_path / "b", 40, n_parts=3, twin_every=5, fetched=later)
    _, plan, rejects = _plan(make_run(one, workers=1))
    _, same_plan, same_rejects = _plan(make_run(two, workers=2))
    assert _without_place(plan) == _without_place(same_plan)
    assert rejects == same_rejects


def test_a_limit_takes_the_first_of_the_shuffle(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 30, bad_every=9)
    _, whole, _ = _plan(make_run(out))
    made, plan, _ = _plan(make_run(out, limit=7))
    assert [row["key"] for row in plan] == [row["key"] for row in whole[:7]]
    assert made.funnels[0].rows_in == 7


def test_nothing_fetched_is_nothing_left(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 5, bad_every=1)
    run = make_run(out)
    # Row 0 fails, too: 0 divides by all numbers.
    with pytest.raises(NothingLeft, match="no image was fetched"):
        run_stage(PLAN_STAGE, run)
    assert not (out / "plan").exists()
    assert not list((out / "run/tmp/plan").iterdir())


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 10)
    path = out / "samples/part-00000.parquet"
    data = bytearray(path.read_bytes())
    data[-4:] = b"xxxx"
    path.write_bytes(data)
    with pytest.raises(PartCorrupt, match=r"part-00000\.parquet cannot be read"):
        run_stage(PLAN_STAGE, make_run(out))
    damaged = bytearray(data[:-4] + b"PAR1")
    damaged[4:3000] = bytes(2996)
    path.write_bytes(damaged)
    with pytest.raises(PartCorrupt, match=r"a part in .* is damaged"):
        run_stage(PLAN_STAGE, make_run(out))


def test_filters_of_samples_give_their_reasons(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 40, twin_every=5)
    filters = [{"use": "image_size", "min_side_px": 200}, {"use": "image_file", "formats": ["png"]}]
    run = make_run(out, filters=filters[:1])
    made, _, rejects = _plan(run)
    assert made.funnels[0].rejected == {"image_too_small": 7}  # the twins, before their turn
    assert {row["reason"] for row in rejects} == {"image_too_small"}
    assert all(row["dup_of"] is None for row in rejects)
    assert made.info["rules"]["image_too_small"] == {"first": 7, "alone": 7}
    shown = examples_of_run(out)["image_too_small"]
    assert [each.key for each in shown] == sorted(row["key"].hex() for row in rejects)
    page = write_html(out).read_text("utf-8")
    assert all(each.text in html.unescape(page) for each in shown)
    with pytest.raises(NothingLeft, match=r"image_format 33, image_too_small 7"):
        run_stage(PLAN_STAGE, make_run(out, filters=filters))


def test_a_filter_of_samples_fetches_nothing_again(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 10)
    marks = [
        [fingerprint(spec, make_run(out, filters=filters)) for spec in STAGES[:4]]
        for filters in ([], [{"use": "image_blank"}])
    ]
    assert marks[0] == marks[1]
    assert fingerprint(PLAN_STAGE, make_run(out)) != fingerprint(
        PLAN_STAGE, make_run(out, filters=[{"use": "image_blank"}])
    )


def test_equal_files_are_one_image_whatever_their_hash(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 40, twin_every=5, twin_scale=2)
    samples = _samples(out)
    _, _, rejects = _plan(make_run(out, dedup={"near_duplicate_distance": -1}))
    assert len(rejects) == 7
    for row in rejects:
        assert row["reason"] == "duplicate_image"
        assert samples[row["key"]]["sha256"] == samples[row["dup_of"]]["sha256"]
    run = make_run(out, dedup={"near_duplicate_distance": -1, "same_bytes": False})
    assert _plan(run)[2] == []


def test_flat_pictures_are_compared_by_their_bytes_only(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "near", 20, twin_every=5, contrast=1.5)
    assert _plan(make_run(out))[2] == []
    out = build_samples(tmp_path / "equal", 20, twin_every=5, twin_scale=2, contrast=1.5)
    assert {row["reason"] for row in _plan(make_run(out))[2]} == {"duplicate_image"}


def test_the_texts_of_what_repeats_an_image_may_stay(tmp_path: Path) -> None:
    out = build_samples(tmp_path, 40, twin_every=5)
    texts = {key: row["text"] for key, row in _samples(out).items()}
    _, plan, rejects = _plan(make_run(out, dedup={"keep_texts": True}))
    wanted = {row["dup_of"]: [texts[row["key"]]] for row in rejects}
    assert {row["key"]: row["other_texts"] for row in plan if row["other_texts"]} == wanted
    _, plan, _ = _plan(make_run(out))
    assert all(row["other_texts"] == [] for row in plan)


class TestBalance:
    def test_an_entry_chooses_so_many_and_what_has_none_goes(self, tmp_path: Path) -> None:
        out = build_samples(tmp_path / "out", 60)
        entries = tmp_path / "entries.txt"
        entries.write_text("red kite\nharbour\n고양이\nnever said\n", "utf-8")
        run = make_run(out, balance={"per_entry": 4, "entries": str(entries)})
        made, plan, rejects = _plan(run)
        reasons = {row["key"]: row["reason"] for row in rejects}
        samples = _samples(out)
        for key, row in samples.items():
            has_entry = "red kite" in row["text"] or "고양이" in row["text"]
            assert has_entry or reasons[key] == "no_entry"
        kites = [row for row in plan if "red kite" in row["text"]]
        cats = [row for row in plan if "고양이" in row["text"]]
        assert len(cats) == 4
        assert 4 <= len(kites) <= 8  # each of its two entries chose four
        assert len(plan) == len(kites) + len(cats)
        assert made.funnels[0].rejected == dict(Counter(reasons.values()))
        found = made.info["balance"]
        assert (found["n_entries"], found["n_matched"], found["n_head"]) == (4, 3, 3)
        assert found["top"][0] == {"entry": "red kite", "before": 10, "after": len(kites)}
        assert (out / "plan/entries.txt").read_text("utf-8").splitlines()[2] == "고양이"

    def test_parts_change_nothing_and_another_seed_does(self, tmp_path: Path) -> None:
        keys = []
        for n_parts, seed in ((1, 0), (3, 0), (1, 1)):
            out = build_samples(tmp_path / f"{n_parts}-{seed}", 60, n_parts=n_parts)
            balance = {"per_entry": 3, "min_count": 5, "min_pmi": 3.0}
            _, plan, _ = _plan(make_run(out, seed=seed, balance=balance))
            keys.append({row["key"] for row in plan})
        assert keys[0] == keys[1] != keys[2]

    def test_a_changed_list_plans_anew(self, tmp_path: Path) -> None:
        out = build_samples(tmp_path / "out", 10)
        entries = tmp_path / "entries.txt"
        marks = []
        for text in ("kite", "dog"):
            entries.write_text(text, "utf-8")
            run = make_run(out, balance={"per_entry": 1, "entries": str(entries)})
            marks.append(fingerprint(PLAN_STAGE, run))
        assert marks[0] != marks[1]
