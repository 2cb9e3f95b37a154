"""Processes that do not outlive the command that started them."""

import os
import threading
from multiprocessing import connection, parent_process


def die_with_parent() -> None:
    """Call first in a spawned process: when the parent is gone (also by kill -9), exit at once.

    An orphan that went on would fetch and write beside the next run of the same command.
    """
    parent = parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        connection.wait([sentinel])
        os._exit(130)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()
