"""What a killed run goes on from."""

from pathlib import Path

import msgspec

from webpairs_core import files
from webpairs_trainer.checkpoints.ours import read_tensors, to_bytes
from webpairs_trainer.train.optimise import Learner


class Progressed(msgspec.Struct, frozen=True):
    """How far a run has come: with weights and optimiser, the whole state of a training."""

    step: int = 0
    """Steps done."""
    position: int = 0
    """Samples taken from the stream."""
    n_broken: int = 0
    """Of these, images that could not be decoded."""


def save_training(path: Path, learner: Learner, progressed: Progressed) -> None:
    """Replace the checkpoint of an unfinished run as a whole; a crash leaves the old one."""
    state = {
        "state_dict": learner.model.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "scaler": learner.scaler.state_dict(),
        "progressed": msgspec.to_builtins(progressed),
    }
    files.write_atomic(path, to_bytes(state))


def load_training(path: Path, learner: Learner) -> Progressed:
    """Go on from a checkpoint; without one, from the start."""
    if not path.exists():
        return Progressed()
    found = read_tensors(path)
    learner.model.load_state_dict(found["state_dict"])
    learner.optimizer.load_state_dict(found["optimizer"])
    learner.scaler.load_state_dict(found["scaler"])
    return msgspec.convert(found["progressed"], Progressed)
