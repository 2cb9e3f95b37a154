"""Scores: stored by a stage of their own, judged by the plan."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_fixture import open_clip_checkpoint, our_checkpoint
from samples_fixture import build_samples, make_run
from webpairs_core.errors import NothingLeft, RecipeError, TrainError
from webpairs_core.keys import shuffle_rank
from webpairs_core.schema import DECONTAMINATED, PLAN, REJECTS, SAMPLES, SCORES, read_table
from webpairs_pipeline import score_stage
from webpairs_pipeline.recipe import recipe_from
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import STAGES, fingerprint, run_stage
from webpairs_shards.write.writer import SampleImages
from webpairs_trainer.embed import load_embedder

SPECS = {spec.name: spec for spec in STAGES}
NO_DEDUP = {"near_duplicate_distance": -1, "same_bytes": False}
FILTER = {"use": "similarity", "min": -1.0}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return our_checkpoint(tmp_path / "model")


def scored_run(out: Path, checkpoint: Path, **sections: Any) -> Run:
    given = {"dedup": NO_DEDUP, "filters": [FILTER], "score": {"checkpoint": str(checkpoint)}}
    return make_run(out, **(given | sections))


def scores(run: Run) -> dict[bytes, dict[str, Any]]:
    run_stage(SPECS["score"], run)
    tables = [read_table(path, SCORES) for path in sorted(run.out.glob("scores/*.parquet"))]
    return {row["key"]: row for table in tables for row in table.to_pylist()}


def stored(out: Path) -> dict[bytes, tuple[dict[str, Any], bytes]]:
    tables = [read_table(path, SAMPLES) for path in sorted(out.glob("samples/*.parquet"))]
    rows = [row for table in tables for row in table.to_pylist() if row["outcome"] == "ok"]
    with SampleImages(out) as images:
        return {r["key"]: (r, images.read(r["tar"], r["offset"], r["length"])) for r in rows}


def rejected(run: Run) -> dict[bytes, str]:
    """What the plan drops, and why; kept and rejected are all."""
    made = run_stage(SPECS["plan"], run)
    rows = read_table(run.out / "rejects/plan/part-00000.parquet", REJECTS).to_pylist()
    kept = read_table(run.out / "plan/plan.parquet", PLAN).num_rows
    assert made.funnels[0].rows_in == kept + len(rows)
    return {row["key"]: row["reason"] for row in rows}


def test_a_score_is_the_cosine_of_the_stored_picture_and_the_text(
    tmp_path: Path, checkpoint: Path
) -> None:
    out = build_samples(tmp_path / "out", 20, bad_every=6)
    found = scores(scored_run(out, checkpoint))
    samples = stored(out)
    embedder = load_embedder(checkpoint, 1)
    assert found.keys() == samples.keys()
    for key, (row, data) in samples.items():
        (picture,), (text,) = embedder.pictures([data]), embedder.texts([row["text"]])
        assert found[key]["similarity"] == pytest.approx(float(picture @ text), abs=1e-6)
        assert (found[key]["eval_similarity"], found[key]["eval_match"]) == (-1, "")
    assert len({row["similarity"] for row in found.values()}) > 10


def test_open_clips_format_scores_too(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "out", 6)
    open_clip_checkpoint(tmp_path / "clip", "open_clip_model.safetensors")
    found = scores(scored_run(out, tmp_path / "clip"))
    embedder = load_embedder(tmp_path / "clip", 64)
    for key, (row, data) in stored(out).items():
        cosine = float(embedder.pictures([data])[0] @ embedder.texts([row["text"]])[0])
        assert found[key]["similarity"] == pytest.approx(cosine, abs=1e-6)


def test_the_filter_drops_what_lies_under_its_bar_and_a_new_bar_scores_nothing_again(
    tmp_path: Path, checkpoint: Path
) -> None:
    out = build_samples(tmp_path / "out", 20)
    found = scores(scored_run(out, checkpoint))
    ordered = sorted(row["similarity"] for row in found.values())
    marks = set()
    for n_dropped in (3, 11):
        bar = (ordered[n_dropped - 1] + ordered[n_dropped]) / 2
        run = scored_run(out, checkpoint, filters=[{"use": "similarity", "min": bar}])
        marks.add(fingerprint(SPECS["score"], run))
        assert rejected(run) == {
            key: "similarity" for key, row in found.items() if row["similarity"] < bar
        }
    assert len(marks) == 1


def test_neither_parts_nor_workers_nor_batches_change_a_score(
    tmp_path: Path, checkpoint: Path
) -> None:
    found = []
    for n_parts, workers, batch_size in ((1, 1, 64), (4, 2, 3)):
        out = build_samples(tmp_path / f"out-{n_parts}", 30, n_parts=n_parts)
        section = {"checkpoint": str(checkpoint), "batch_size": batch_size}
        found.append(scores(scored_run(out, checkpoint, score=section, workers=workers)))
    assert found[0].keys() == found[1].keys()
    for key, row in found[0].items():
        assert row["similarity"] == pytest.approx(found[1][key]["similarity"], abs=1e-6)


def test_an_erased_image_has_no_score_and_goes(tmp_path: Path, checkpoint: Path) -> None:
    out = build_samples(tmp_path / "out", 8)
    key, (row, _) = next(iter(stored(out).items()))
    with (out / row["tar"]).open("r+b") as file:
        file.seek(row["offset"])
        file.write(bytes(row["length"]))
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(list(stored(out).values())[3][1])
    wanted = {"sets": [str(folder)], "near_duplicate_distance": -1, "min_similarity": 1.0}
    run = scored_run(out, checkpoint, decontaminate=wanted)
    found = scores(run)
    assert [k for k, row in found.items() if math.isnan(row["similarity"])] == [key]
    assert (found[key]["eval_similarity"], found[key]["eval_match"]) == (-1, "")
    assert rejected(run)[key] == "similarity"


def test_samples_that_resemble_an_evaluation_picture_go(tmp_path: Path, checkpoint: Path) -> None:
    out = build_samples(tmp_path / "out", 20)
    samples = stored(out)
    by_number = {row["url"]: key for key, (row, _) in samples.items()}
    copied = [by_number[f"http://host{n % 5}.example/images/{n}.jpg"] for n in (4, 13)]
    folder = tmp_path / "set"
    folder.mkdir()
    for name, key in zip("ab", copied, strict=True):
        (folder / f"{name}.jpg").write_bytes(samples[key][1])
    (folder / "damaged.jpg").write_bytes(samples[copied[0]][1][:90])
    image = {"size_px": 64}
    wanted = {"sets": [str(folder)], "near_duplicate_distance": -1, "min_similarity": 0.9999}
    run = scored_run(out, checkpoint, filters=[], image=image, decontaminate=wanted)
    found = scores(run)
    embedder = load_embedder(checkpoint, 8)
    shown = embedder.pictures([samples[key][1] for key in copied])
    for key, (_, data) in samples.items():
        cosines = shown @ embedder.pictures([data])[0]
        assert found[key]["eval_similarity"] == pytest.approx(float(cosines.max()), abs=1e-6)
        assert found[key]["eval_match"] == f"{folder}/{'ab'[int(np.argmax(cosines))]}.jpg"
    gone = {k for k, row in found.items() if row["eval_similarity"] >= 0.9999}
    assert set(copied) <= gone != set(found)
    assert rejected(run) == dict.fromkeys(gone, "eval_similar")
    listed = read_table(out / "plan/decontaminated.parquet", DECONTAMINATED).to_pylist()
    assert {row["key"]: row["match"] for row in listed} == {k: found[k]["eval_match"] for k in gone}
    assert all((row["distance"], row["reason"]) == (-1, "eval_similar") for row in listed)
    assert all(row["similarity"] == found[row["key"]]["eval_similarity"] for row in listed)


def test_hashes_come_first_and_both_are_listed(tmp_path: Path, checkpoint: Path) -> None:
    out = build_samples(tmp_path / "out", 12)
    folder = tmp_path / "set"
    folder.mkdir()
    key, (_, data) = next(iter(stored(out).items()))
    (folder / "a.jpg").write_bytes(data)
    for bar, others in ((1.0, set()), (0.001, {"eval_similar"})):
        wanted = {"sets": [str(folder)], "min_similarity": bar}
        run = scored_run(out, checkpoint, filters=[], decontaminate=wanted)
        scores(run)
        try:
            gone = rejected(run)
        except NothingLeft as error:  # a random model may find all alike
            assert "eval_near_duplicate 1, eval_similar 11" in str(error)  # noqa: PT017
        else:
            assert gone.pop(key) == "eval_near_duplicate"
            assert set(gone.values()) == others


def test_a_recipe_without_scores_makes_none_and_loads_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from samples_fixture import build_samples, make_run\n"
        "from webpairs_pipeline.stages import STAGES, run_stage\n"
        "(spec,) = [spec for spec in STAGES if spec.name == 'score']\n"
        f"run_stage(spec, make_run(build_samples(Path({str(tmp_path)!r}), 6)))\n"
        "print('torch' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert found.stdout.strip() == "False"
    assert not (tmp_path / "scores").exists()


def test_what_decides_a_score_is_in_the_fingerprint(tmp_path: Path, checkpoint: Path) -> None:
    out = build_samples(tmp_path / "out", 4)
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(next(iter(stored(out).values()))[1])
    sets = {"sets": [str(folder)], "min_similarity": 0.9}

    def mark(**sections: Any) -> str:
        return fingerprint(SPECS["score"], scored_run(out, checkpoint, **sections))

    plain = mark()
    section = {"checkpoint": str(checkpoint), "batch_size": 3}
    assert plain == mark(filters=[FILTER | {"min": 0.5}], score=section)
    assert plain == mark(decontaminate={"sets": [str(folder)]})
    compared = mark(decontaminate=sets)
    assert len({plain, mark(filters=[]), compared}) == 3
    assert compared == mark(decontaminate=sets | {"min_similarity": 0.5})
    (folder / "b.jpg").write_bytes(b"another")
    assert compared != mark(decontaminate=sets)
    our_checkpoint(checkpoint, seed=1)
    assert plain != mark()


def test_parts_that_are_scored_are_not_scored_again(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = build_samples(tmp_path / "out", 12, n_parts=3)
    wanted = scores(scored_run(build_samples(tmp_path / "whole", 12, n_parts=3), checkpoint))
    run = scored_run(out, checkpoint)
    plain = score_stage._score_part
    asked = []

    def dies_at_the_second(*given: Any) -> int:
        asked.append(given[2].stem)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return plain(*given)

    monkeypatch.setattr(score_stage, "_score_part", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        scores(run)
    assert scores(run) == wanted
    assert asked == ["part-00000", "part-00001", "part-00001", "part-00002"]


def test_a_limit_scores_what_the_plan_takes(tmp_path: Path, checkpoint: Path) -> None:
    out = build_samples(tmp_path / "out", 20, bad_every=9)
    run = scored_run(out, checkpoint, limit=5)
    keys = sorted(stored(out), key=lambda key: shuffle_rank(0, key))
    assert scores(run).keys() == set(keys[:5])
    assert rejected(run) == {}


@pytest.mark.parametrize(
    ("asks", "says"),
    [
        ({"filters": [{"use": "similarity"}]}, "the filter 'similarity' needs a CLIP model"),
        (
            {"decontaminate": {"sets": ["x"], "min_similarity": 0.9}},
            r"decontaminate\.min_similarity needs a CLIP model",
        ),
    ],
)
def test_who_asks_for_scores_must_name_a_checkpoint(asks: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        recipe_from({"name": "tiny", **asks}, [], "tiny.toml")
    section = {"checkpoint": "somewhere"}
    assert recipe_from({"name": "tiny", "score": section, **asks}, [], "tiny.toml").is_scored
    assert not recipe_from({"name": "tiny", "score": section}, [], "tiny.toml").is_scored


def test_a_checkpoint_that_is_none(tmp_path: Path) -> None:
    out = build_samples(tmp_path / "out", 4)
    with pytest.raises(RecipeError, match=r"score\.checkpoint: there is no folder"):
        run_stage(SPECS["score"], scored_run(out, tmp_path / "nowhere"))
    with pytest.raises(TrainError, match=r"has no checkpoint\.pt"):
        run_stage(SPECS["score"], scored_run(out, out))
