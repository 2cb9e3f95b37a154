"""Run units on this machine: a spawn pool of processes that die with their parent.

A unit function takes one picklable task, works file in, file out, and commits through the ledger:
running one twice is harmless, and a worker that dies costs only the units in flight.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from webpairs_core.errors import WebpairsError
from webpairs_core.process import die_with_parent

Task = TypeVar("Task")
Result = TypeVar("Result")
_BREAKS_ALLOWED = 2


def run_units(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[Result]:
    """Yield the result of `work(task)` for each task as they finish, in any order.

    With one worker they run in this process. When a worker process dies (killed, out of memory),
    what was unfinished runs again; after three such deaths a WebpairsError says so. An exception of
    a unit is raised here as it is, when the units in flight have ended.
    """
    if workers == 1 or len(tasks) <= 1:
        for task in tasks:
            yield work(task)
        return
    left = dict(enumerate(tasks))
    for _ in range(_BREAKS_ALLOWED + 1):
        with ProcessPoolExecutor(
            min(workers, len(left)), mp_context=get_context("spawn"), initializer=die_with_parent
        ) as pool:
            futures = {pool.submit(work, task): i for i, task in left.items()}
            try:
                for future in as_completed(futures):
                    result = future.result()
                    del left[futures[future]]
                    yield result
                return
            except BrokenProcessPool:
                continue
            finally:
                # Units in flight end first: whoever sweeps after an error must be alone.
                pool.shutdown(wait=True, cancel_futures=True)
    raise WebpairsError(
        f"worker processes died {_BREAKS_ALLOWED + 1} times, {len(left)} units are left: "
        "look for a lack of memory, try --workers 1, and run the same command again"
    )
