"""Tars of this machine, read by `pread` through descriptors that are kept open, a few at a time."""

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

_OPEN_TARS = 256


class LocalTars:
    """Bytes of numbered tars. Not for several threads at once."""

    def __init__(self, path: Callable[[int], Path]) -> None:
        self._path = path
        self._open: OrderedDict[int, int] = OrderedDict()

    def read(self, number: int, start: int, n_bytes: int) -> bytes:
        """Bytes of a tar, fewer where it ends before. Raises FileNotFoundError where it is gone."""
        tar = self._open.pop(number, None)
        if tar is None:
            if len(self._open) == _OPEN_TARS:
                os.close(self._open.popitem(last=False)[1])
            tar = os.open(self._path(number), os.O_RDONLY)
        self._open[number] = tar
        return os.pread(tar, n_bytes, start)

    def __getstate__(self) -> dict[str, object]:
        # Descriptors of this process are another's files there.
        return self.__dict__ | {"_open": OrderedDict()}

    def close(self) -> None:
        """Let go of all files; they are opened again when they are needed."""
        for tar in self._open.values():
            os.close(tar)
        self._open.clear()
