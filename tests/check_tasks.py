"""Tasks for the processes that check shards: some kill them, some hang."""

import os
import resource
import signal
from pathlib import Path

from webpairs_shards.check.foreign import run_job
from webpairs_shards.check.foreign_shard import ShardTask
from webpairs_shards.check.pool import beat


def square(n: int) -> int:
    """What a task may do."""
    beat(f"sample {n}")
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if n == 4:
        raise MemoryError
    if n == 5:
        os._exit(7)
    if n == 6:
        return len(bytearray(1 << 50))
    return n * n


def limit(_: int) -> int:
    """Its own limit of memory, in bytes."""
    return resource.getrlimit(resource.RLIMIT_AS)[0]


def hang(n: int) -> int:
    """The second task begins a sample and never comes back."""
    if n == 1:
        beat("the bad one")
        while True:
            signal.pause()
    return n


def dies_of_one(job: Path | ShardTask) -> object:
    """As the real job, but that one shard kills its process."""
    if isinstance(job, ShardTask) and job.path.name == "00001.tar":
        beat("000000009")
        os.kill(os.getpid(), signal.SIGKILL)
    return run_job(job)
