"""The training as a picture: loss and accuracy by step."""

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from webpairs_trainer.train.rows import StepRow


def training_png(rows: Sequence[StepRow], title: str, batch_size: int) -> bytes:
    """A PNG: loss and accuracy in the batch by step, raw and smoothed, with what chance gives."""
    # No pyplot: it keeps figures in a global and picks a display.
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    steps = [row.step for row in rows]
    curves = (
        ("loss (nats)", [row.loss for row in rows], math.log(batch_size)),
        ("accuracy in the batch", [row.accuracy for row in rows], 1 / batch_size),
    )
    for axes, (name, values, chance) in zip(figure.subplots(1, 2), curves, strict=True):
        axes.plot(steps, values, color="#9bc", linewidth=0.7, label="each step")
        axes.plot(steps, _smooth(values), color="#047", label="smoothed")
        axes.axhline(chance, color="#b40", linestyle=":", label="chance")
        axes.set(xlabel="step", title=name, ylim=(0, None))
        axes.legend(frameon=False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    return stream.getvalue()


def _smooth(values: Sequence[float]) -> list[float]:
    """The mean of a window of a fiftieth of the run around each step."""
    half = max(1, len(values) // 100)
    sums = np.cumsum([0.0, *values])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    means: list[float] = ((sums[high] - sums[low]) / (high - low)).tolist()
    return means
