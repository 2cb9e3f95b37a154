"""Worker processes that make batches, and their end.

Not torch's DataLoader: it tells of a worker's death from a signal handler, anywhere in the program,
and waits for ever for a batch that was being handed over when its worker died (docs/adr/0022).
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Never

from webpairs_core import errors
from webpairs_core.errors import StorageError, WebpairsError
from webpairs_shards.loader.batch import BatchJob, BatchRows, Images
from webpairs_shards.loader.frame import Ended, Failed, receive

_LOOK_EVERY_S = 1.0
"""While a batch is awaited: whether all workers live."""
_DYING_S = 5.0
_GROUP = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
"""What a terminal or a scheduler sends to all processes of a job is the parent's business: it may
want to save its state first."""


class WorkerBatches(Iterator[tuple[Images, BatchRows]]):
    """The batches of `make_batches(job)`, made by `workers` processes; batch k by worker k modulo
    `workers`.

    `close`, the last reference and the end of the program end the processes at once. Raises
    StorageError when one dies or cannot start, WebpairsError when one fails in a way that nobody
    foresaw, else what `make_batches` raises.
    """

    def __init__(self, job: BatchJob, workers: int) -> None:
        self._side = job.options.image_size
        self._n_received = 0
        self._workers: list[_Worker] = []
        self.close = weakref.finalize(self, _end, self._workers)
        try:
            with os.fdopen(os.memfd_create("webpairs-job"), "w+b") as file:
                pickle.dump(job, file)
                file.flush()
                for number in range(workers):
                    self._workers.append(_Worker(file.fileno(), number, workers))
        except OSError as error:
            self.close()
            raise StorageError(
                f"the workers of the loader cannot start ({error}): take fewer workers"
            ) from error

    def __next__(self) -> tuple[Images, BatchRows]:
        worker = self._workers[self._n_received % len(self._workers)]
        found = self._next_of(worker)
        if isinstance(found, Ended):
            raise StopIteration
        if isinstance(found, Failed):
            raise _error(found)
        self._n_received += 1
        return found

    def _next_of(self, worker: "_Worker") -> tuple[Images, BatchRows] | Ended | Failed:
        while True:
            try:
                found = receive(worker.pipe, self._side)
                worker.allow_one_more()
            except TimeoutError:
                # Also where a process forked meanwhile holds the pipe of a dead one open.
                for each in self._workers:
                    if each.process.poll() is not None:
                        _raise_death(each)
            except (EOFError, ConnectionError):
                _raise_death(worker)
            except OSError as error:
                raise StorageError(
                    f"a batch cannot be taken from its worker ({error}): raise the limit of open "
                    "files (ulimit -n), or hold fewer batches at once"
                ) from error
            else:
                return found


class _Worker:
    """One process and our end of its pipe."""

    def __init__(self, job_fd: int, number: int, workers: int) -> None:
        # Messages, not a stream: whole, or not there.
        self.pipe, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pipe.settimeout(_LOOK_EVERY_S)
        words = [theirs.fileno(), job_fd, os.getpid(), number, workers]
        # It inherits what is blocked: there is no moment at which a signal can kill it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _GROUP)
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own words only
                # -P: what lies in the folder where the command was given must not be imported.
                [sys.executable, "-P", "-c", _MAIN, *map(str, words)],
                pass_fds=[theirs.fileno(), job_fd],
                stdin=subprocess.DEVNULL,
                # Before imports: BLAS would reserve address space for each core.
                env=os.environ
                | {
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "OPENBLAS_NUM_THREADS": "1",
                },
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()  # so that its death is the end of our pipe

    def allow_one_more(self) -> None:
        """Let it make a batch for the one that was taken."""
        with suppress(OSError):  # dead: what it made is good, and its next turn will tell
            self.pipe.send(b"+", socket.MSG_NOSIGNAL)


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.process.wait()
        worker.pipe.close()


def _raise_death(worker: _Worker) -> Never:
    try:
        code = worker.process.wait(_DYING_S)
        how = f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"
    except subprocess.TimeoutExpired:
        how = "it closed its pipe"
    raise StorageError(
        f"a worker of the loader died ({how}): with too little memory take fewer workers, else look"
        " for its words on stderr; load_state_dict goes on after the last batch that came"
    )


def _error(told: Failed) -> WebpairsError:
    kind: type[WebpairsError] = getattr(errors, told.error, WebpairsError)
    return kind(told.sentence)


_MAIN = (
    "import sys; from webpairs_shards.loader.worker import serve; serve(*map(int, sys.argv[1:]))"
)
