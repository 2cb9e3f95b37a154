"""Where the time goes, and what the log says of it."""

import time

import pytest
import torch

from webpairs_trainer.train.pace import Pace, mark, seconds


def test_marks_follow_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 12.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    cpu = torch.device("cpu")
    assert seconds(mark(cpu), mark(cpu)) == 2.5


@pytest.mark.parametrize(
    ("wait_s", "said"),
    [
        (0.0, "model (0% of the time"),
        (0.18, "model (9% of the time"),
        (0.5, "data (25% of the time"),
    ],
)
def test_the_bottleneck_is_named(wait_s: float, said: str) -> None:
    pace = Pace()
    for _ in range(Pace.N_WARM):
        pace.add(100, 1e12, 60.0, 60.0)
    assert pace.waiting == 0.0
    for _ in range(3):
        pace.add(100, 4e12, 2.0, wait_s)
    assert pace.sentence().startswith("50 samples/s, 2 TFLOP/s; ")
    assert f"bottleneck: {said} is waiting for data)" in pace.sentence()
