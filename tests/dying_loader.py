"""Reads batches of the folder given with two workers, kills one with SIGKILL after five batches.

A line of JSON for each batch that came: its keys, and where the loader says that it stands. A
program of its own: torch raises, wherever it just is, when a worker dies, and sometimes it hangs.
"""

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

from webpairs_core.errors import StorageError
from webpairs_shards import Mixture, open_shards
from webpairs_shards.read.batches import BatchLoader, BatchOptions


def main() -> None:
    """Lines on stdout; on stderr the sentence when the loader says that a worker died."""
    options = BatchOptions(batch_size=8, image_size=32)
    loader = BatchLoader(Mixture([(open_shards(Path(sys.argv[1])), 1)]), options, workers=2)
    n = 0
    try:
        for batch in loader:
            n += 1
            print(json.dumps([batch["key"], loader.state_dict()]), flush=True)
            if n == 5:
                victim = multiprocessing.active_children()[0].pid
                assert victim is not None
                os.kill(victim, signal.SIGKILL)
    except StorageError as died:
        print(died, file=sys.stderr, flush=True)
    os._exit(0)  # the other worker is no longer waited for


if __name__ == "__main__":
    main()
