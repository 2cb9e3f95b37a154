"""Units that each read one file: run side by side, or in order up to a limit."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from webpairs_core.ledger import Commit, Stage
from webpairs_core.progress import Progress
from webpairs_pipeline.engine import run_units
from webpairs_pipeline.run import Run


class Taken(msgspec.Struct, frozen=True):
    """What a finished unit brought."""

    n_in: int
    n_pairs: int


class FileTask(msgspec.Struct, frozen=True, kw_only=True):
    """One file to read."""

    stage: Stage
    unit: str
    limit: int | None = None
    """At most so many of what it holds."""


Task = TypeVar("Task", bound=FileTask)


def read_files(
    work: Callable[[Task], Taken], tasks: Sequence[Task], run: Run, noun: str
) -> list[Commit]:
    """Do what is not done of these tasks, and give the commits of all, in order.

    `--limit` bounds what comes out of all files together, in their order: then they run one after
    the other, for only the files before know what is left for the next.
    """
    with Progress("crawl", "files", len(tasks)) as progress:
        n_in = n_pairs = 0

        def tell(taken: Taken) -> None:
            nonlocal n_in, n_pairs
            n_in += taken.n_in
            n_pairs += taken.n_pairs
            progress.add(1, f"{n_in:,} {noun}, {n_pairs:,} pairs")

        if run.limit is None:
            left = [task for task in tasks if not task.stage.is_done(task.unit)]
            progress.add(len(tasks) - len(left))
            for taken in run_units(work, left, run.workers):
                tell(taken)
        else:
            _up_to(run.limit, work, tasks, tell)
    commits = [task.stage.commit_of(task.unit) for task in tasks]
    return [commit for commit in commits if commit is not None]


def _up_to(
    limit: int, work: Callable[[Task], Taken], tasks: Sequence[Task], tell: Callable[[Taken], None]
) -> None:
    n_left = limit
    for task in tasks:
        commit = task.stage.commit_of(task.unit)
        if commit is not None:
            n_left -= commit.funnels[0].rows_in
        elif n_left:
            taken = work(replace(task, limit=n_left))
            n_left -= taken.n_in
            tell(taken)
