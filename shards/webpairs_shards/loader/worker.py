"""The life of a process that makes batches for a loader: no torch, so it starts in a blink."""

import mmap
import os
import pickle
import socket
import sys
from contextlib import suppress
from types import TracebackType

from webpairs_core.errors import StorageError, WebpairsError
from webpairs_core.process import die_with
from webpairs_shards.loader.batch import BatchJob, make_batches
from webpairs_shards.loader.frame import Ended, Failed, Outbox, failed

AHEAD = 2
"""Batches that a worker makes before the loader has taken the first of them."""


def serve(pipe_fd: int, job_fd: int, parent: int, number: int, workers: int) -> None:
    """Make batch `number` and every `workers`-th after it, `AHEAD` of the loop at most; then wait
    for the end of the pipe. A process that is gone before that has died.

    `job_fd` is a file with a pickled BatchJob; each byte that comes from the pipe allows one batch
    more.
    """
    die_with(parent)
    pipe = socket.socket(fileno=pipe_fd)
    outbox = Outbox(pipe)

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        sentence = f"a worker of the loader failed ({kind.__name__}: {error})"
        _end(pipe, outbox, failed("WebpairsError", f"{sentence}: its traceback is on stderr"))

    sys.excepthook = tell
    with mmap.mmap(job_fd, 0, access=mmap.ACCESS_READ) as pickled:
        job: BatchJob = pickle.loads(pickled)  # noqa: S301 - from our own parent
    os.close(job_fd)
    batches = make_batches(job, (number, workers), outbox.allocate)
    allowed = AHEAD
    try:
        while allowed or _is_allowed(pipe):
            allowed = max(0, allowed - 1)
            made = next(batches, None)
            if made is None:
                return _end(pipe, outbox, Ended())
            try:
                outbox.send_batch(*made)
            except ConnectionError:  # nobody is there any more
                return None
            del made  # or the memory of the last batch stays while the next is made
    except WebpairsError as error:
        _end(pipe, outbox, failed(type(error).__name__, str(error)))
    except MemoryError:
        sentence = "a worker of the loader has no memory left: take fewer workers"
        _end(pipe, outbox, failed(StorageError.__name__, sentence))


def _is_allowed(pipe: socket.socket) -> bool:
    """Wait for a byte; False when nobody is there any more."""
    try:
        return bool(pipe.recv(1))
    except ConnectionError:  # it went without reading all
        return False


def _end(pipe: socket.socket, outbox: Outbox, message: Ended | Failed) -> None:
    with suppress(ConnectionError):
        outbox.send(message)
    while _is_allowed(pipe):
        pass
