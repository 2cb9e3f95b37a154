"""The stages `train` and `eval` over real shards: what they write, skip and refuse."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from samples_fixture import build_shards, make_run
from tiny_models import write_config
from webpairs_core.errors import RecipeError, TrainError
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import STAGES, run_stage

SPECS = {spec.name: spec for spec in STAGES}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("stages"), 16)


@pytest.fixture
def out(shards: Path, tmp_path: Path) -> Path:
    """A copy of a run that has shards."""
    copy = tmp_path / "out"
    subprocess.run(["cp", "-a", str(shards.parent), str(copy)], check=True)
    return copy


@pytest.fixture
def sets(tmp_path: Path) -> tuple[str, ...]:
    folders = (tmp_path / "a" / "set", tmp_path / "b" / "set")
    for folder in folders:
        for name, colour in (("red", "#f00"), ("blue", "#00f")):
            (folder / name).mkdir(parents=True)
            Image.new("RGB", (20, 20), colour).save(folder / name / "0.png")
    return tuple(map(str, folders))


def tiny_run(
    out: Path, sets: tuple[str, ...] = (), limit: int | None = None, **train: object
) -> Run:
    section = {
        "model": str(write_config(out)),
        "batch_size": 8,
        "epochs": 3,
        "warmup_steps": 1,
        "device": "cpu",
        **train,
    }
    return make_run(out, limit=limit, train=section, eval={"zeroshot": sets})


def do(name: str, run: Run) -> Made:
    return run_stage(SPECS[name], run)


def test_train_writes_a_model(out: Path) -> None:
    made = do("train", tiny_run(out))
    assert made.path == out / "models" / "tiny"
    assert {path.name for path in made.path.iterdir()} == {
        "checkpoint.pt",
        "model.json",
        "tokenizer.json",
        "metrics.jsonl",
        "training.png",
    }
    assert made.info["steps"] == 6
    funnel = made.funnels[0]
    assert (funnel.rows_in, funnel.kept, funnel.rejected) == (48, 48, {})


def test_a_finished_training_is_not_done_again(out: Path) -> None:
    do("train", tiny_run(out))
    path = out / "models" / "tiny" / "metrics.jsonl"
    before = path.read_bytes()
    do("train", tiny_run(out))
    assert path.read_bytes() == before


def test_a_changed_section_starts_over(out: Path) -> None:
    assert do("train", tiny_run(out)).info["steps"] == 6
    assert do("train", tiny_run(out, epochs=1)).info["steps"] == 2
    rows = (out / "models" / "tiny" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 2


def test_limit_counts_steps(out: Path) -> None:
    assert do("train", tiny_run(out, limit=4)).info["steps"] == 4


def test_eval_writes_a_score_for_each_set(out: Path, sets: tuple[str, ...]) -> None:
    run = tiny_run(out, sets)
    do("train", run)
    made = do("eval", run)
    assert sorted(path.name for path in made.path.iterdir()) == ["set-1.json", "set.json"]
    score = json.loads((made.path / "set.json").read_text())
    assert made.info["sets"][0] == score
    assert (score["n"], score["n_classes"], score["chance"]) == (2, 2, 0.5)
    assert score["top5"] == 1.0
    assert score["ci95"][0] <= score["top1"] <= score["ci95"][1]


def test_eval_without_sets_says_how_to_add_one(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = tiny_run(out)
    do("train", run)
    with caplog.at_level("INFO"):
        made = do("eval", run)
    assert made.info == {}
    assert "eval.zeroshot" in caplog.text


def test_out_in_a_path_stands_for_out(out: Path, sets: tuple[str, ...]) -> None:
    Path(sets[0]).rename(out / "mine")
    run = tiny_run(out, ("{out}/mine",))
    do("train", run)
    assert do("eval", run).info["sets"][0]["name"] == "mine"


def test_a_set_that_is_not_there(out: Path) -> None:
    run = tiny_run(out, ("/no/such/folder",))
    do("train", run)
    with pytest.raises(RecipeError, match="there is no folder /no/such/folder"):
        do("eval", run)


@pytest.mark.parametrize("name", ["train", "eval"])
def test_without_torch_it_says_what_to_install(
    out: Path, sets: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(out, sets)
    if name == "eval":
        do("train", run)
    # As if it were not installed; what is imported already must be forgotten for that.
    for loaded in [m for m in sys.modules if m.startswith("webpairs_trainer")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(TrainError, match=r"webpairs\[train\]"):
        do(name, run)
