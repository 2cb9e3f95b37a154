"""The loop: it learns, it goes on after a kill with the same losses, it refuses what cannot be."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import torch

from samples_fixture import build_shards
from tiny_models import TINY, write_config
from webpairs_core.errors import RecipeError, TrainError
from webpairs_trainer.checkpoints.ours import load_model
from webpairs_trainer.model.clip import build_model
from webpairs_trainer.options import TrainSection
from webpairs_trainer.train import optimise
from webpairs_trainer.train.loop import TrainJob, model_files, total_steps, train
from webpairs_trainer.train.optimise import learning_rate, make_learner, make_optimizer
from webpairs_trainer.train.resume import Progressed, load_training, save_training
from webpairs_trainer.train.rows import MetricsLog, StepRow, read_metrics


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("train"), 16)


def job(shards: Path, folder: Path, **section: object) -> TrainJob:
    folder.mkdir(exist_ok=True)
    settings = {
        "model": str(write_config(folder)),
        "batch_size": 8,
        "epochs": 6,
        "lr": 3e-3,
        "warmup_steps": 2,
        "crop_scale": 0.5,
        "device": "cpu",
        **section,
    }
    made = msgspec.convert(settings, TrainSection)
    return TrainJob(shards=shards, work=folder / "work", section=made, seed=1, threads=1)


def figures(rows: list[StepRow]) -> list[tuple[float | None, ...]]:
    """All of a row that does not hang on the clock."""
    return [(row.step, row.epoch, row.loss, row.accuracy, row.lr, row.grad_norm) for row in rows]


def test_overfits_sixteen_samples(shards: Path, tmp_path: Path) -> None:
    # A rate at which every seed gets there; twice of it overshoots for some.
    settings = {"batch_size": 16, "epochs": 160, "lr": 1.5e-3, "crop_scale": 1.0}
    trained = train(job(shards, tmp_path, **settings))
    first, last = trained.metrics[0], trained.metrics[-1]
    assert first.loss > 2.0
    assert last.loss < 0.1
    assert last.accuracy == 1.0
    assert [row.step for row in trained.metrics] == list(range(1, 161))
    assert last.samples == 160 * 16
    assert last.epoch == 160.0


def test_the_same_run_twice_is_the_same(shards: Path, tmp_path: Path) -> None:
    first = train(job(shards, tmp_path / "a"))
    second = train(job(shards, tmp_path / "b"))
    assert figures(first.metrics) == figures(second.metrics)


def test_an_interrupted_run_goes_on_with_the_same_losses(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(job(shards, tmp_path / "whole"))
    stopped = job(shards, tmp_path / "stopped", checkpoint_every_s=1e-9)
    steps = 0
    real_step = optimise.training_step

    def stop_in_the_seventh(*args: object) -> object:
        nonlocal steps
        steps += 1
        if steps == 7:
            raise KeyboardInterrupt
        return real_step(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("webpairs_trainer.train.loop.training_step", stop_in_the_seventh)
    with pytest.raises(KeyboardInterrupt):
        train(stopped)
    assert len(read_metrics(stopped.work / "metrics.jsonl")) == 6
    monkeypatch.undo()
    resumed = train(stopped)
    assert figures(resumed.metrics) == figures(whole.metrics)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name])


_CHILD = """
import sys
from pathlib import Path
import msgspec
from webpairs_trainer.train.loop import TrainJob, train
job = msgspec.json.decode(sys.stdin.read(), type=TrainJob, dec_hook=lambda kind, value: kind(value))
train(job)
"""


def test_kill_9_and_the_same_losses(shards: Path, tmp_path: Path) -> None:
    whole = train(job(shards, tmp_path / "whole", epochs=100))
    killed = job(shards, tmp_path / "killed", epochs=100, checkpoint_every_s=0.05)
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert child.stdin is not None
    child.stdin.write(msgspec.json.encode(killed, enc_hook=str))
    child.stdin.close()
    checkpoint = killed.work / "checkpoint.pt"
    while not checkpoint.exists() and child.poll() is None:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "it ended before it could be killed"
    model = build_model(TINY, 1)
    step = load_training(checkpoint, make_learner(model, killed.section)).step
    assert 0 < step < 200
    resumed = train(killed)
    assert figures(resumed.metrics) == figures(whole.metrics)


def test_rows_behind_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"1\n2\n3\n4\n{half")
    with MetricsLog(path, 3):
        pass
    assert path.read_bytes() == b"1\n2\n3\n"
    path.write_bytes(b"1\n2\n3\n")
    with MetricsLog(path, 0):
        pass
    assert path.read_bytes() == b""


def test_a_finished_model_loads_and_is_the_same(shards: Path, tmp_path: Path) -> None:
    trained = train(job(shards, tmp_path))
    folder = tmp_path / "model"
    folder.mkdir()
    for name, data in model_files(trained, "tiny").items():
        (folder / name).write_bytes(data)
    assert (folder / "training.png").read_bytes().startswith(b"\x89PNG")
    assert len(read_metrics(folder / "metrics.jsonl")) == len(trained.metrics)
    model, tokenizer, config = load_model(folder)
    assert config == TINY
    assert tokenizer.encode("a red kite", 24) == trained.tokenizer.encode("a red kite", 24)
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert set(state) == {"epoch", "name", "state_dict"}


@pytest.mark.parametrize("name", ["checkpoint.pt", "model.json", "tokenizer.json"])
def test_an_incomplete_model_is_named(shards: Path, tmp_path: Path, name: str) -> None:
    trained = train(job(shards, tmp_path, epochs=1))
    for file, data in model_files(trained, "tiny").items():
        if file != name:
            (tmp_path / file).write_bytes(data)
    (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(TrainError, match=name):
        load_model(tmp_path)


def test_a_cut_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    model = build_model(TINY, 0)
    learner = make_learner(model, TrainSection())
    save_training(path, learner, Progressed(3, 24, 0))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(TrainError, match="delete it"):
        load_training(path, learner)


def test_weight_decay_spares_gains_biases_and_the_temperature() -> None:
    model = build_model(TINY, 0)
    decayed, spared = make_optimizer(model, TrainSection()).param_groups
    names = {id(p): name for name, p in model.named_parameters()}
    assert decayed["weight_decay"] == 0.2
    assert spared["weight_decay"] == 0.0
    kept = {names[id(p)] for p in spared["params"]}
    assert "logit_scale" in kept
    assert "visual.ln_pre.weight" in kept
    assert "transformer.resblocks.0.attn.in_proj_bias" in kept
    assert len(kept) + len(decayed["params"]) == len(names)


def test_the_temperature_is_held_at_its_ceiling(shards: Path, tmp_path: Path) -> None:
    trained = train(job(shards, tmp_path, lr=3.0, warmup_steps=0, epochs=2))
    assert max(row.logit_scale for row in trained.metrics) <= 100.001
    assert min(row.logit_scale for row in trained.metrics) >= 0.999


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    section = TrainSection(lr=1.0, warmup_steps=10)
    rates = [learning_rate(section, step, 110) for step in range(111)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.5)
    assert rates[110] == pytest.approx(0.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_steps_follow_from_epochs() -> None:
    section = TrainSection(epochs=2.5, batch_size=8)
    assert total_steps(section, 16, None) == 5
    assert total_steps(section, 16, 3) == 3
    assert total_steps(TrainSection(epochs=0.01, batch_size=8), 16, None) == 1


def test_fewer_samples_than_a_batch(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="16 samples, fewer than one batch of 17"):
        train(job(shards, tmp_path, batch_size=17))


def test_a_batch_of_one_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=">= 2"):
        msgspec.convert({"batch_size": 1}, TrainSection)


def test_an_exploded_loss_says_what_to_do(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"lower train\.lr"):
        train(job(shards, tmp_path, lr=1e30, warmup_steps=0, epochs=50))


def test_what_is_no_number_is_never_saved(shards: Path, tmp_path: Path) -> None:
    exploding = job(shards, tmp_path, lr=1e30, warmup_steps=0, epochs=50, checkpoint_every_s=1e-9)
    with pytest.raises(TrainError, match=r"lower train\.lr"):
        train(exploding)
    rows = read_metrics(exploding.work / "metrics.jsonl")
    learner = make_learner(build_model(TINY, 1), exploding.section)
    assert load_training(exploding.work / "checkpoint.pt", learner).step == len(rows) > 0
    assert all(math.isfinite(row.loss) and row.grad_norm is not None for row in rows)
    for value in learner.model.state_dict().values():
        assert torch.isfinite(value).all()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_types_resume_with_the_same_losses(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    whole = train(job(shards, tmp_path / "whole", precision=precision))
    stopped = job(shards, tmp_path / "stopped", precision=precision, checkpoint_every_s=1e-9)
    n_saved = 0
    real_save = save_training

    def stop_after_the_fifth(*args: object) -> None:
        nonlocal n_saved
        real_save(*args)  # type: ignore[arg-type]
        n_saved += 1
        if n_saved == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("webpairs_trainer.train.loop.save_training", stop_after_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        train(stopped)
    monkeypatch.undo()
    resumed = train(stopped)
    assert figures(resumed.metrics) == figures(whole.metrics)
    n_passed = sum(row.grad_norm is None for row in whole.metrics)
    assert (n_passed > 0) == (precision == "fp16")


def test_the_log_names_the_bottleneck(
    shards: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        trained = train(job(shards, tmp_path, epochs=3))
    assert "is waiting for data)" in caplog.messages[-1]
    assert "bottleneck: " in caplog.messages[-1]
    assert all(0 <= row.waiting <= 1 for row in trained.metrics)
    assert all(3 <= row.n_tokens <= TINY.text_cfg.context_length for row in trained.metrics)
    assert [row.samples for row in trained.metrics] == [8 * step for step in range(1, 7)]


def test_an_unknown_model(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no model is called 'nano'"):
        train(job(shards, tmp_path, model="nano"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"train\.device"):
        train(job(shards, tmp_path, device="cuda"))
