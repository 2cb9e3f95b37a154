"""Name resolution for page requests, with the guard in it.

Scrapy's HTTP handler asks the reactor's resolver about every host, literal addresses included
(measured), so this one class is the choke point: what the guard does not permit is never an answer.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from scrapy.resolver import CachingHostnameResolver, HostResolution
from twisted.internet._resolver import GAIResolver
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from zope.interface import implementer  # type: ignore[import-untyped]

from webpairs_crawler.live.settings_of import section_of
from webpairs_crawler.web.guard import Guard, make_guard


class GuardedResolver(CachingHostnameResolver):  # type: ignore[misc]
    """Resolves names to the addresses that the guard permits."""

    refused: ClassVar[set[str]] = set()
    """Hosts that have addresses, but none that is permitted. One crawl runs in one process."""
    guard = Guard()

    @classmethod
    def from_crawler(cls, crawler: Any, reactor: Any) -> Self:
        """Scrapy's way of making a component."""
        resolver: Self = super().from_crawler(crawler, reactor)
        # Not the reactor's present one: Scrapy may have put its own there, which knows IPv4 only.
        resolver.original_resolver = GAIResolver(reactor, reactor.getThreadPool)
        resolver.guard = make_guard(section_of(crawler.settings).private_networks)
        return resolver

    def resolveHostName(  # noqa: N802 - Twisted's name
        self,
        resolutionReceiver: IResolutionReceiver,  # noqa: N803 - Twisted's name
        hostName: str,  # noqa: N803 - Twisted's name
        *rest: Any,
        **named: Sequence[Any],
    ) -> IHostResolution:
        """Resolve a name; what is not permitted is left out."""
        if not _is_name(hostName):
            resolution = HostResolution(hostName)
            resolutionReceiver.resolutionBegan(resolution)
            resolutionReceiver.resolutionComplete()
            return resolution
        receiver = _Permitted(resolutionReceiver, self.guard, hostName)
        return super().resolveHostName(receiver, hostName, *rest, **named)


def _is_name(host: str) -> bool:
    """Whether every label has 1 to 63 characters (RFC 1035 §2.3.4), or it is an address.

    Python's resolver raises UnicodeError on others, and Twisted then waits for the timeout.
    """
    return all(0 < len(label) < 64 for label in host.rstrip(".").split("."))


@implementer(IResolutionReceiver)
class _Permitted:
    """Passes on the addresses that the guard permits."""

    def __init__(self, receiver: IResolutionReceiver, guard: Guard, host: str) -> None:
        self._receiver = receiver
        self._guard = guard
        self._host = host
        self._n_permitted = self._n_refused = 0

    def resolutionBegan(self, resolution: IHostResolution) -> None:  # noqa: N802
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802
        if self._guard.permits(address.host):
            self._n_permitted += 1
            self._receiver.addressResolved(address)
        else:
            self._n_refused += 1

    def resolutionComplete(self) -> None:  # noqa: N802
        if self._n_refused and not self._n_permitted:
            GuardedResolver.refused.add(self._host.lower())
        self._receiver.resolutionComplete()
