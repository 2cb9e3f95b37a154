"""Decode images in worker processes: a crash, a bomb or a hang costs one image, not the run.

Not `ProcessPoolExecutor`: one dead worker breaks that pool and all it holds. Here each worker has
its own pipe, and a feeding thread that replaces the process when it dies or outlives its time. Nor
`multiprocessing.Process`: its children import the command line and all its rooms again.
"""

import asyncio
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Self

from webpairs_core.errors import WebpairsError
from webpairs_core.process import die_with
from webpairs_core.records import Outcome
from webpairs_shards.options import ImageSection
from webpairs_shards.processed import Processed

log = logging.getLogger(__name__)

Job = Callable[[bytes], Processed]
Factory = Callable[[], Job]
"""Called once in each worker: what imports much does so there and only there. Picklable."""

TIMEOUT_S = 60.0
"""For one image."""
START_TIMEOUT_S = 120.0
_MAX_STARTS = 3
"""A process killed while it starts, for lack of memory perhaps, is started anew; one that always
dies has a reason that does not go away."""
MEMORY_BYTES = 4 * 2**30
"""Address space of a worker. The largest picture allowed by default needs a third of it."""

_CRASHED = Processed(outcome=Outcome.DECODER_CRASHED)


def image_job(section: ImageSection) -> Factory:
    """The job of the fetch stage: `process_image` by these options."""
    return partial(_make_image_job, section)


def _make_image_job(section: ImageSection) -> Job:
    from webpairs_shards.image import process_image  # numpy, imagehash: only workers pay for them

    def process(data: bytes) -> Processed:
        try:
            return process_image(data, section)
        except MemoryError:
            return _CRASHED

    return process


class DecodePool:
    """`with DecodePool(image_job(section), workers) as pool: await pool.run(data)`."""

    def __init__(self, factory: Factory, workers: int, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._workers = [_Worker(factory) for _ in range(workers)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()  # they import while the first images are on their way
            self._idle.put(worker)
        return self

    async def run(self, data: bytes) -> Processed:
        """The job's result for `data`; outcome decoder_crashed when a worker died of it: by a
        crash, for lack of memory, or because `timeout_s` had passed.

        Raises WebpairsError when workers cannot even start.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, data)

    def _run(self, data: bytes) -> Processed:
        worker = self._idle.get()  # never waits: there are as many threads as workers
        try:
            return worker.ask(data, self._timeout_s)
        finally:
            self._idle.put(worker)

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(cancel_futures=True)


class _Worker:
    """One process and our end of its pipe. Only `close` may be called from another thread."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._is_ready = self._is_closed = False
        # Held where the process is exchanged: `close` must find the new one or prevent it.
        self._exchange = threading.Lock()

    def start(self) -> None:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(  # noqa: S603 - our own words only
            # -P: what lies in the folder where the command was given must not be imported.
            [sys.executable, "-P", "-c", _MAIN, str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            # Before imports: BLAS would reserve address space for each core.
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"},
        )
        theirs.close()  # so that its death is the end of our pipe
        self._pipe = Connection(ours.detach())
        self._pipe.send(self._factory)
        self._is_ready = False

    def ask(self, data: bytes, timeout_s: float) -> Processed:
        if self._process.poll() is not None:
            self._restart()  # it died while idle: not this image's doing
        if not self._is_ready:
            self._wait_until_ready()
        try:
            self._pipe.send_bytes(data)
            if self._pipe.poll(timeout_s):
                answer: Processed = self._pipe.recv()
                return answer
            log.warning("an image took more than %.0f s to decode: worker replaced", timeout_s)
        except (EOFError, OSError):
            log.warning("a decoder crashed: worker replaced")
        self._restart()
        return _CRASHED

    def _wait_until_ready(self) -> None:
        for n_left in reversed(range(_MAX_STARTS)):
            try:
                if self._pipe.poll(START_TIMEOUT_S):
                    self._pipe.recv()
                    self._is_ready = True
                    return
            except (EOFError, OSError):
                if n_left:
                    self._restart()
        raise WebpairsError(
            "the worker processes that decode images die at their start: look for the reason "
            "above and for a lack of memory, then run the same command again"
        )

    def _restart(self) -> None:
        with self._exchange:
            self._process.kill()
            self._process.wait()
            self._pipe.close()
            if not self._is_closed:
                self.start()

    def close(self) -> None:
        """End the process; a thread that waits for its answer finds the pipe at its end."""
        with self._exchange:
            self._is_closed = True
            self._process.kill()
            self._process.wait()


_MAIN = "import sys; from webpairs_shards.decode_pool import serve; serve(*map(int, sys.argv[1:]))"


def serve(pipe_fd: int, parent: int) -> None:
    """The life of a worker: its job first, then images in and results out, until the pipe ends."""
    die_with(parent)
    # Signals to the whole group are the parent's business: a worker that died of one would make its
    # image look like one that crashes decoders.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))
    pipe = Connection(pipe_fd)
    factory: Factory = pipe.recv()
    job = factory()
    pipe.send("ready")
    while True:
        try:
            data = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send(job(data))
