"""Check shards in processes of their own: one that dies (no memory, a decoder that crashed) or that
hangs costs the answer for its shard, not the run.

Not `ProcessPoolExecutor`: one dead process breaks that pool and all it holds.
"""

import os
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec

from webpairs_core.process import die_with_parent

MEMORY_BYTES = 6 * 2**30
"""Address space of a process. The largest picture that is decoded needs 0.6 GB, a member 0.3 GB."""
STUCK_S = 600.0
"""A process that has begun no new sample for so long is taken for hung."""
_LOOK_EVERY_S = 1.0
_PLACE_BYTES = 256

Task = TypeVar("Task")
Answer = TypeVar("Answer")
_CONTEXT = get_context("spawn")


class Lost(msgspec.Struct, frozen=True):
    """In place of an answer: the process was lost."""

    at: str
    """The sample that it had begun last; empty before the first one."""
    why: str


def _silent(place: str) -> None:
    del place


_beat: Callable[[str], None] = _silent


def beat(place: str) -> None:
    """Say which sample is begun: called by what runs in a process of the pool."""
    _beat(place)


class CheckPool(Generic[Task, Answer]):
    """`with CheckPool(work, workers) as pool: for answer in pool.map(tasks)`.

    `work` is a function of a module. With 0 workers it runs in this process, unguarded.
    """

    def __init__(
        self, work: Callable[[Task], Answer], workers: int, stuck_s: float = STUCK_S
    ) -> None:
        self._work = work
        self._stuck_s = stuck_s
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        self._all = [_Process() for _ in range(workers)]
        self._threads = ThreadPoolExecutor(max(1, workers), thread_name_prefix="check")

    def __enter__(self) -> Self:
        for process in self._all:
            self._idle.put(process)
        return self

    def map(self, tasks: Iterable[Task]) -> Iterator[Answer | Lost]:
        """An answer for each task, in their order."""
        return self._threads.map(self._ask, tasks) if self._all else map(self._work, tasks)

    def _ask(self, task: Task) -> Answer | Lost:
        process = self._idle.get()  # never waits: there are as many threads as processes
        try:
            answer: Answer | Lost = process.ask((self._work, task), self._stuck_s)
            return answer
        finally:
            self._idle.put(process)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=kind is None, cancel_futures=True)
        for process in self._all:
            process.end()
        self._threads.shutdown()
        for process in self._all:
            process.stop()


class _Process:
    """One process at a time, started when it is needed."""

    def __init__(self) -> None:
        self._process: Any = None
        self._is_ended = False

    def _start(self) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._count = _CONTEXT.RawValue("Q", 0)
        self._place = _CONTEXT.RawArray("c", _PLACE_BYTES)
        self._process = _CONTEXT.Process(
            target=_serve, args=(theirs, self._count, self._place), daemon=True
        )
        self._process.start()
        theirs.close()  # so that its death is the end of our pipe

    def ask(self, job: tuple[Callable[[Any], Any], Any], stuck_s: float) -> Any:
        if self._process is None:
            self._start()
        self._place.value = b""
        try:
            self._pipe.send(job)
            if self._waits(stuck_s):
                is_answer, answer = self._pipe.recv()
                return answer if is_answer else self._lost("it ran out of memory")
            lost = self._lost(f"no sample was begun for {stuck_s:.0f} s")
        except (EOFError, OSError):
            self._process.join()
            lost = self._lost(_died_of(self._process.exitcode))
        self.stop()
        return lost

    def _waits(self, stuck_s: float) -> bool:
        """Whether there is an answer; False when nothing has moved for `stuck_s`."""
        before, still_s = -1, 0.0
        while not self._is_ended and not self._pipe.poll(_LOOK_EVERY_S):
            still_s = still_s + _LOOK_EVERY_S if self._count.value == before else 0.0
            before = self._count.value
            if still_s >= (stuck_s if before else STUCK_S):  # 0: it has not even started
                return False
        return not self._is_ended

    def _lost(self, why: str) -> Lost:
        return Lost(self._place.value.decode("utf-8", "replace"), why)

    def end(self) -> None:
        """Kill it; a thread that waits for its answer finds the pipe at its end."""
        self._is_ended = True
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Kill it and let go of all; no thread may be using it."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
            self._pipe.close()
            self._process = None


def _died_of(code: int) -> str:
    if code >= 0:
        return f"it ended with code {code}"
    name = signal.Signals(-code).name
    return f"it died of {name}: no memory, or a decoder that crashed"


def _serve(pipe: Connection, count: Any, place: Any) -> None:
    """Take tasks and give answers, until the pipe ends."""
    global _beat
    die_with_parent()
    # BLAS and Arrow would reserve address space for each core.
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))

    def note(text: str) -> None:
        count.value += 1
        place.value = text.encode("utf-8", "replace")[: _PLACE_BYTES - 1]

    _beat = note
    while True:
        try:
            work, task = pipe.recv()
        except (EOFError, OSError):  # nobody is there any more
            return
        note("")  # it has started: the first task imported much
        try:
            answer = (True, work(task))
        except MemoryError:
            answer = (False, None)
        pipe.send(answer)
