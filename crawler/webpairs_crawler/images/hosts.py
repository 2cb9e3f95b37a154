"""How many requests one host gets at a time, and how long it is left alone between them.

By host name and not by connection: aiohttp's own limit counts host and port, and one machine often
answers on several.
"""

import asyncio
import time
from weakref import WeakValueDictionary

from webpairs_crawler.web import urls

CRAWL_DELAY_CEILING_S = 30.0
"""What a host may ask for between two requests; more would mean some hundred images a day."""


class Host:
    """The politeness of one host name."""

    def __init__(self, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self._not_before = 0.0  # monotonic seconds

    def pause(self, seconds: float) -> None:
        """Ask nothing of the host for so long: a Retry-After stops all its images."""
        self._not_before = max(self._not_before, time.monotonic() + seconds)
        self._live_until_then()

    async def turn(self, delay_s: float) -> None:
        """Wait until the host may be asked; the next one may `delay_s` later."""
        now = time.monotonic()
        mine = max(now, self._not_before)
        if delay_s:
            self._not_before = mine + delay_s
            self._live_until_then()
        await asyncio.sleep(mine - now)

    def _live_until_then(self) -> None:
        # The fetcher holds hosts weakly: one that is forgotten would be asked again too early.
        wait_s = self._not_before - time.monotonic()
        asyncio.get_running_loop().call_later(wait_s, id, self)


class Hosts:
    """The hosts in use. One that nobody waits for and that is not paused is forgotten."""

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._hosts: WeakValueDictionary[str, Host] = WeakValueDictionary()

    def of(self, url: str) -> Host:
        """The host of a canonical URL."""
        name = urls.host_of(url)
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = Host(self._per_host)
        return host
