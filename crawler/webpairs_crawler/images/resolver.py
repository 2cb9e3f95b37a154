"""Names to addresses, by the system's own resolver: each name asked once at a time, good and bad
answers kept for a while, a bounded number of lookups in hand.

The system's resolver blocks a thread for each lookup, and a dead name for many seconds. Without
memory of the dead ones, each of their images would wait anew; without a bound on what is kept, a
list of a hundred million hosts would fill the memory.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

GOOD_S = 300.0
BAD_S = 120.0
"""A name that does not exist; RFC 2308 §5 allows up to three hours."""
UNSURE_S = 5.0
"""No resolver answered: that says nothing of the name (RFC 2308 §7.1 allows five minutes)."""
MAX_NAMES = 50_000
_THREADS = 64

Lookup = Callable[[str, int], list[tuple[int, str]]]
"""Host and address family -> family and address of each answer. Raises socket.gaierror."""


class _Entry(msgspec.Struct, frozen=True):
    answer: list[tuple[int, str]] | OSError
    good_until: float


class Resolver(AbstractResolver):
    """What aiohttp asks for the addresses of a name."""

    def __init__(self, lookup: Lookup | None = None, threads: int = _THREADS) -> None:
        self._lookup = lookup or _system_lookup
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="dns")
        self._kept: OrderedDict[tuple[str, int], _Entry] = OrderedDict()
        self._asked: dict[tuple[str, int], asyncio.Future[_Entry]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises OSError (socket.gaierror) when there is none."""
        key = (host, int(family))
        entry = self._kept.get(key)
        if entry is None or entry.good_until <= time.monotonic():
            asked = self._asked.get(key)
            if asked is None:
                asked = self._asked[key] = asyncio.ensure_future(self._ask(key))
            # One caller whose time is over must not take the answer from the others.
            entry = await asyncio.shield(asked)
        else:
            self._kept.move_to_end(key)
        if isinstance(entry.answer, OSError):
            raise OSError(*entry.answer.args)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=found,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for found, address in entry.answer
        ]

    async def _ask(self, key: tuple[str, int]) -> _Entry:
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, self._lookup, *key)
            entry = _Entry(answer, time.monotonic() + GOOD_S)
        except (OSError, UnicodeError) as error:
            is_sure = isinstance(error, UnicodeError) or error.errno in _SURE
            bad = error if isinstance(error, OSError) else OSError(str(error))
            entry = _Entry(bad, time.monotonic() + (BAD_S if is_sure else UNSURE_S))
        finally:
            del self._asked[key]
        self._kept[key] = entry
        if len(self._kept) > MAX_NAMES:
            self._kept.popitem(last=False)
        return entry

    async def close(self) -> None:
        """Let lookups that hang end by themselves: nobody waits for them any more."""
        for asked in self._asked.values():
            asked.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)


_SURE = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


def _system_lookup(host: str, family: int) -> list[tuple[int, str]]:
    found = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
    # sockaddr of IPv6 may carry a scope, which the guard would not know: only the address counts.
    return list(dict.fromkeys((int(kind), str(peer[0])) for kind, _, _, _, peer in found))
