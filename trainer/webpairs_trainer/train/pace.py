"""Where the time of a training goes: into steps, or into waiting for batches.

Marks are set in the order of the device's work. On a GPU the host runs ahead, so a clock there says
nothing: marks are events on its stream, and waiting is the time in which it had nothing to do.
"""

import time

import torch

Mark = float | torch.cuda.Event
BOTTLENECK = 0.1
"""Share of waiting above which data is called the bottleneck."""


def mark(device: torch.device) -> Mark:
    """This point of the device's work."""
    if device.type != "cuda":
        return time.monotonic()
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def seconds(first: Mark, second: Mark) -> float:
    """Between two marks whose work is done."""
    if isinstance(first, float) and isinstance(second, float):
        return second - first
    assert isinstance(first, torch.cuda.Event)
    assert isinstance(second, torch.cuda.Event)
    return float(first.elapsed_time(second)) / 1000


class Pace:
    """Sums over the steps of one run of the loop; its first steps, which warm up, are left out."""

    N_WARM = 3

    def __init__(self) -> None:
        self.n_steps = 0
        self.n_samples = 0
        self.step_s = 0.0
        self.wait_s = 0.0
        self.flop = 0.0

    def add(self, n_samples: int, flop: float, step_s: float, wait_s: float) -> None:
        """One step; `wait_s` is a part of `step_s`."""
        self.n_steps += 1
        if self.n_steps > self.N_WARM:
            self.n_samples += n_samples
            self.flop += flop
            self.step_s += step_s
            self.wait_s += wait_s

    @property
    def waiting(self) -> float:
        """Share of the time in which the model waited for a batch, 0..1."""
        return self.wait_s / self.step_s if self.step_s > 0 else 0.0

    def sentence(self) -> str:
        """For the log: how fast, and which part it waits for."""
        part = "data" if self.waiting > BOTTLENECK else "model"
        step_s = max(self.step_s, 1e-9)
        return (
            f"{self.n_samples / step_s:,.0f} samples/s, {self.flop / step_s / 1e12:.3g} TFLOP/s; "
            f"bottleneck: {part} ({self.waiting:.0%} of the time is waiting for data)"
        )
