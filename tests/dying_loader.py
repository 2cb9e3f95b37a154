"""Reads batches of the folder given with two workers, kills one with SIGKILL after five batches,
and prints what came and where the loader says that it stands. A program of its own."""

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

from webpairs_shards import Mixture, open_shards
from webpairs_shards.read.batches import BatchLoader, BatchOptions


def main() -> None:
    """One JSON object on stdout."""
    options = BatchOptions(batch_size=8, image_size=32)
    loader = BatchLoader(Mixture([(open_shards(Path(sys.argv[1])), 1)]), options, workers=2)
    keys: list[list[str]] = []
    error = ""
    try:
        for batch in loader:
            keys.append(batch["key"])
            if len(keys) == 5:
                victim = multiprocessing.active_children()[0].pid
                assert victim is not None
                os.kill(victim, signal.SIGKILL)
            if len(keys) == 200:
                break
    except (RuntimeError, OSError) as died:  # OSError: its shared memory went with it
        error = f"{type(died).__name__}: {died}"
    print(json.dumps({"keys": keys, "error": error, "state": loader.state_dict()}))
    sys.stdout.flush()
    os._exit(0)  # the other worker is no longer waited for


if __name__ == "__main__":
    main()
