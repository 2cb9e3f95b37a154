"""Decode images in worker processes: a crash, a bomb or a hang costs one image, not the run.

Not `ProcessPoolExecutor`: one dead worker breaks that pool and all it holds. Here each worker has
its own pipe, and a feeding thread that replaces the process when it dies or outlives its time. Nor
`multiprocessing.Process`: its children import the command line and all its rooms again.
"""

import asyncio
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Self

import msgspec

from webpairs_core.errors import WebpairsError
from webpairs_core.records import Outcome
from webpairs_shards.image.decode_worker import Factory, Pipe
from webpairs_shards.image.processed import Processed

log = logging.getLogger(__name__)

TIMEOUT_S = 60.0
"""For one image."""
START_TIMEOUT_S = 120.0
_MAX_STARTS = 3
"""A process killed while it starts, for lack of memory perhaps, is started anew; one that always
dies has a reason that does not go away."""
_CRASHED = Processed(outcome=Outcome.DECODER_CRASHED)
_answer_of = msgspec.msgpack.Decoder(Processed).decode


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
        return await asyncio.wrap_future(self.submit(data))

    def submit(self, data: bytes) -> Future[Processed]:
        """`run` for a caller without an event loop."""
        return self._threads.submit(self._run, data)

    def _run(self, data: bytes) -> Processed:
        worker = self._idle.get()  # never waits: there are as many threads as workers
        try:
            return worker.ask(data, self._timeout_s)
        finally:
            self._idle.put(worker)

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.end()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()


class _Worker:
    """One process and our end of its pipe. Only `end` may be called from another thread."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._is_ready = self._is_closed = False
        # Held where the process is exchanged: `end` must find the new one or prevent it.
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
        self._pipe = Pipe(ours)
        self._is_ready = False
        with suppress(OSError):  # one that is dead already is found to be so when it is needed
            self._pipe.send(pickle.dumps(self._factory), START_TIMEOUT_S)

    def ask(self, data: bytes, timeout_s: float) -> Processed:
        if self._process.poll() is not None:
            self._restart()  # it died while idle: not this image's doing
        if not self._is_ready:
            self._wait_until_ready()
        try:
            self._pipe.send(data, timeout_s)
            return _answer_of(self._pipe.receive(timeout_s))
        except TimeoutError:
            log.warning("an image took more than %.0f s to decode: worker replaced", timeout_s)
        except (EOFError, OSError, msgspec.MsgspecError):
            log.warning("a decoder crashed: worker replaced")
        self._restart()
        return _CRASHED

    def _wait_until_ready(self) -> None:
        for n_left in reversed(range(_MAX_STARTS)):
            try:
                self._pipe.receive(START_TIMEOUT_S)
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

    def end(self) -> None:
        """End the process; a thread that waits for its answer finds the pipe at its end."""
        with self._exchange:
            self._is_closed = True
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Let go of the pipe, when no thread uses it any more."""
        self._pipe.close()


_IMPORT = "import sys; from webpairs_shards.image.decode_worker import serve"
_MAIN = f"{_IMPORT}; serve(*map(int, sys.argv[1:]))"
