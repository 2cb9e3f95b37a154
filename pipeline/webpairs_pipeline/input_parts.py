"""The parts that a stage reads, cut where `--limit` is reached."""

from pathlib import Path

import msgspec
import pyarrow as pa

from webpairs_core.schema import open_part
from webpairs_pipeline.run import Run


class InputPart(msgspec.Struct, frozen=True):
    """One committed Parquet part of the stage before."""

    path: Path
    n_rows: int
    """How many of its first rows are wanted; at least 1."""

    @property
    def unit(self) -> str:
        """The name of the unit that works on it."""
        return self.path.stem


def input_parts(run: Run, stage: str, prefix: str, schema: pa.Schema) -> list[InputPart]:
    """The parts under `prefix` that `stage` committed, in order, at most `run.limit` rows in all.

    Raises as `Ledger.outputs` and `open_part`.
    """
    n_left = run.limit
    parts = []
    for entry in run.ledger.outputs(stage, prefix):
        path = run.out / entry.path
        with open_part(path, schema) as opened:
            n_rows = opened.metadata.num_rows
        if n_left is not None:
            n_rows = min(n_rows, n_left)
            n_left -= n_rows
        if n_rows:
            parts.append(InputPart(path, n_rows))
    return parts
