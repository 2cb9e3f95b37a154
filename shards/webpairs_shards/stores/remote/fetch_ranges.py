"""Many ranges in flight at once, each tried again where its fault may heal.

The requests live in an event loop in a thread of its own, so that they go on while the caller
decodes. A process that was forked off starts its own: an event loop does not survive a fork.
"""

import asyncio
import contextlib
import os
import random
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from itertools import count
from typing import Any, TypeVar

from webpairs_core.errors import StorageError
from webpairs_shards.stores.remote.options import RemoteOptions
from webpairs_shards.stores.remote.web_source import Passing, Source

T = TypeVar("T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 20.0
_TRIES_AWAY = 3
"""New attempts, when a place is opened, at a server that is not there: its name may be wrong."""
_START_S = 30.0
_forked: list["_Loop"] = []
"""Loops of a parent process: closing their sockets here would take them out of the parent's epoll,
so they are left as they are."""


class Fetcher:
    """Ranges of the files of one `Source`. Starts when it is first used, and after `close` again;
    ends with the process, or when nobody holds it."""

    def __init__(self, make_source: Callable[[], Source], options: RemoteOptions) -> None:
        self.address = make_source().address
        """The URL of a file, for sentences."""
        self._make_source = make_source
        self._options = options
        self._loop: _Loop | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Fetcher, (self._make_source, self._options)

    def bytes_of(self, name: str, start: int, n_bytes: int) -> Future[bytes]:
        """Bytes of a file, fewer where it ends before. The future raises FileNotFoundError, or
        StorageError with one sentence."""
        return self.run(self.get(name, start, n_bytes))

    def whole(self, name: str) -> bytes:
        """A whole file, waited for; for the first question that a place is asked."""
        return self.run(self.get(name, 0, None, tries_away=_TRIES_AWAY)).result()

    async def get(
        self, name: str, start: int, n_bytes: int | None, tries_away: int | None = None
    ) -> bytes:
        """See `bytes_of`; for coroutines given to `run`."""
        assert self._loop is not None
        loop, retries = self._loop, self._options.retries
        for attempt in count():
            try:
                async with loop.slots:
                    return await loop.source.get(name, start, n_bytes)
            except Passing as fault:
                tries = retries if tries_away is None or not fault.is_away else tries_away
                if attempt >= min(tries, retries):
                    raise StorageError(
                        f"{self.address(name)} cannot be read ({fault}; tried {attempt + 1} "
                        "times): check the network and the server, and go on from the last state"
                    ) from None
                pause_s = min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
                pause_s = max(pause_s * random.uniform(0.5, 1.0), fault.pause_s)
            await asyncio.sleep(pause_s)
        raise AssertionError

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Let `work` run in the loop."""
        if self._loop is not None and self._loop.pid != os.getpid():
            _forked.append(self._loop)
            self._loop = None
        if self._loop is None:
            self._loop = _Loop(self._make_source(), self._options.read_ahead)
            weakref.finalize(self, self._loop.stop)
        return asyncio.run_coroutine_threadsafe(work, self._loop.loop)

    def close(self) -> None:
        """End all requests and connections."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None


class _Loop:
    """A thread with an event loop, until `stop`."""

    def __init__(self, source: Source, n_slots: int) -> None:
        self.pid = os.getpid()
        self.slots = asyncio.Semaphore(n_slots)
        self.source = source
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._main(),), daemon=True)
        self._thread.start()
        assert self._is_ready.wait(_START_S)

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._is_ready.set()
        await self._end.wait()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.source.close()

    def stop(self) -> None:
        """Called more than once, and in a forked process, it does nothing."""
        if self.pid != os.getpid() or not self._thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):  # the loop has just been closed
            self.loop.call_soon_threadsafe(self._end.set)
        if threading.current_thread() is not self._thread:
            self._thread.join()
