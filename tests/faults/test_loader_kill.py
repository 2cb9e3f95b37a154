"""Workers that make batches are killed with SIGKILL at any moment: one error out of the loop, and
the state goes on as if nothing had been."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from processes import children
from samples_fixture import build_shards
from webpairs_core.errors import StorageError
from webpairs_shards import Mixture, open_shards
from webpairs_shards.batches import Batch, BatchLoader, BatchOptions, ShardBatches

OPTIONS = BatchOptions(batch_size=8, image_size=32)
N_WANTED = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shards(tmp_path_factory.mktemp("kill"), 50, samples_per_shard=7)


def _loader(folder: Path, workers: int) -> BatchLoader:
    return BatchLoader(Mixture([(open_shards(folder), 1)]), OPTIONS, workers)


def _same(found: list[Batch], wanted: list[Batch]) -> None:
    assert [batch["key"] for batch in found] == [batch["key"] for batch in wanted]
    assert [batch["text"] for batch in found] == [batch["text"] for batch in wanted]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("moment", range(6))
def test_a_killed_worker_is_one_error_and_the_state_goes_on(folder: Path, moment: int) -> None:
    """By a thread, at a random moment: while it starts, makes, hands over or waits."""
    draw = random.Random(moment)
    before, handler = children(), signal.getsignal(signal.SIGCHLD)
    loader, came = _loader(folder, 3), []
    n_before_the_kill, delay_s = draw.randrange(5), draw.uniform(0, 0.05)

    def kill() -> None:
        os.kill(draw.choice(sorted(children() - before)), signal.SIGKILL)

    killer = threading.Timer(delay_s, kill)

    def step() -> None:
        for batch in loader:
            came.append(batch)
            if len(came) == n_before_the_kill + 1:
                killer.start()

    with pytest.raises(StorageError, match=r"died \(signal 9, Killed\).*load_state_dict"):
        step()
    killer.join()
    assert children() == before
    assert signal.getsignal(signal.SIGCHLD) is handler
    n = len(came)
    assert n > n_before_the_kill
    next_one = _loader(folder, 1)
    next_one.load_state_dict(json.loads(json.dumps(loader.state_dict())))
    wanted = list(islice(_loader(folder, 0), n + 5))
    _same(came + list(islice(next_one, 5)), wanted)
    _same(list(islice(loader, 2)), wanted[n : n + 2])  # the same loader, too


def test_a_worker_that_dies_at_its_start_is_the_same_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("webpairs_shards.loader.workers._MAIN", "raise SystemExit('no library')")
    with pytest.raises(StorageError, match=r"died \(exit code 1\).* stderr"):
        next(iter(_loader(folder, 2)))
    assert "no library" in capfd.readouterr().err


def test_killed_workers_of_torch_cost_nothing_that_the_position_does_not_know(
    folder: Path,
) -> None:
    """For those who give `ShardBatches` to torch's DataLoader: whatever torch does then."""
    wanted = list(islice(_loader(folder, 0), N_WANTED))
    script = Path(__file__).parents[1] / "dying_dataloader.py"
    words = [sys.executable, str(script), str(folder)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        watch = threading.Timer(30, program.kill)  # where torch hangs
        watch.start()
        lines = program.stdout.read().splitlines()
        watch.cancel()
    assert program.returncode != 0
    came = [json.loads(line) for line in lines]
    n = len(came)
    assert 5 <= n < N_WANTED
    assert [keys for keys, _ in came] == [batch["key"] for batch in wanted[:n]]
    rest = ShardBatches(Mixture([(open_shards(folder), 1)]), OPTIONS, came[-1][1])
    loader: DataLoader[Batch] = DataLoader(rest, batch_size=None, num_workers=1)
    _same(list(islice(loader, N_WANTED - n)), wanted[n:])
