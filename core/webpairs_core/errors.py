"""Every error that webpairs raises on purpose, with the exit code that the command line gives it.

::

    WebpairsError                 1
    ├── RecipeError               2   the recipe or the command line asks for what cannot be
    ├── ListError                 2   a list that the recipe names is missing or malformed
    ├── StorageError              2   the machine cannot: disk full, port in use, OUT locked
    ├── CrawlError                2   no page could be had from the seeds
    ├── NothingLeft               4   the filters left nothing for the next stage
    ├── PartCorrupt               3   a committed file is not what the ledger says
    ├── ShardError                3
    │   ├── ShardCorrupt          3   a shard or a sidecar is damaged
    │   └── SchemaMismatch        3   written by a version that this one does not know
    └── TrainError                2   the shards or the recipe cannot train a model

Bad data from the web is never an exception: it is an `Outcome` or a reject reason, and is counted.
Each message is one sentence that says what to do next.
"""

from typing import ClassVar


class WebpairsError(Exception):
    """The root: catch this to catch all that webpairs raises on purpose."""

    exit_code: ClassVar[int] = 1


class RecipeError(WebpairsError):
    """The recipe or the command line asks for something that cannot be."""

    exit_code = 2


class ListError(WebpairsError):
    """A list of the user's (words, counts, URLs, hashes) is missing or has a line that is wrong."""

    exit_code = 2


class StorageError(WebpairsError):
    """The machine refuses: the disk is full, a port is taken, OUT is in use."""

    exit_code = 2


class CrawlError(WebpairsError):
    """No page could be had from the seeds."""

    exit_code = 2


class NothingLeft(WebpairsError):
    """A stage ended with nothing for the next one."""

    exit_code = 4


class PartCorrupt(WebpairsError):
    """A committed file is missing, cut or changed."""

    exit_code = 3


class ShardError(WebpairsError):
    """Shards cannot be read or written."""

    exit_code = 3


class ShardCorrupt(ShardError):
    """A shard or a sidecar is not what its manifest says."""


class SchemaMismatch(ShardError):
    """A file carries a schema version that this release does not know."""


class TrainError(WebpairsError):
    """The shards or the recipe cannot train or judge a model."""

    exit_code = 2


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended some asyncio tasks, out of the groups that are wrapped around it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
