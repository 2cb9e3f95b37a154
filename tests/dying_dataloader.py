"""Reads the batches of the folder given by torch's DataLoader with two workers, kills one with
SIGKILL after five batches.

A line of JSON for each batch that came: its keys, and the position behind it. A program of its own:
torch raises, wherever it just is, when a worker dies, and sometimes it hangs.
"""

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

from torch.utils.data import DataLoader

from webpairs_shards import Mixture, open_shards
from webpairs_shards.batches import Batch, BatchOptions, ShardBatches


def main() -> None:
    """Lines on stdout."""
    options = BatchOptions(batch_size=8, image_size=32)
    batches = ShardBatches(Mixture([(open_shards(Path(sys.argv[1])), 1)]), options)
    loader: DataLoader[Batch] = DataLoader(batches, batch_size=None, num_workers=2)
    for n, batch in enumerate(loader, 1):
        print(json.dumps([batch["key"], batch["position"]]), flush=True)
        if n == 5:
            victim = multiprocessing.active_children()[0].pid
            assert victim is not None
            os.kill(victim, signal.SIGKILL)


if __name__ == "__main__":
    main()
