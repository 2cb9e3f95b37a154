"""What a process must do for itself: not outlive its command, take the files it needs, and waste
nothing on garbage and imports."""

import gc
import os
import resource
import sys
import threading
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_OPEN_FILES = 65_536
_LOOK_EVERY_S = 0.5


def raise_limit_of_open_files() -> None:
    """A broad fetch keeps thousands of connections; the soft limit is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def collect_rarely() -> None:
    """Look for reference cycles after 50,000 new objects, not after 700.

    A page makes thousands of objects that die with it and no cycles: looking for some takes 4 % of
    the time of extraction. Call it in processes that read pages.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def without_pandas() -> None:
    """Arrow imports pandas, where it is installed, at the first list it is given, only to ask
    whether the list is a Series: 0.25 s and 40 MB. For processes that are all ours."""
    sys.meta_path.insert(0, _NoPandas())


class _NoPandas(MetaPathFinder, Loader):
    def find_spec(self, name: str, _path: object, _target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == "pandas" else None

    def exec_module(self, module: ModuleType) -> None:
        raise ModuleNotFoundError("webpairs does without pandas", name=module.__name__)


def die_with_parent() -> None:
    """Call first in a spawned process: when the parent is gone (also by kill -9), exit at once.

    An orphan that went on would fetch and write beside the next run of the same command.
    """
    from multiprocessing import connection, parent_process  # 20 ms, and not for every process

    parent = parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        connection.wait([sentinel])
        os._exit(130)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()


def die_with(parent: int) -> None:
    """The same for a process that was started as a command of its own, by the process `parent`."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os._exit(130)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()
