"""Which addresses may be reached: one table for page requests and image requests.

The table is our own, from IANA's special-purpose registries, because `ipaddress.is_global` of
Python 3.11 says yes to multicast, NAT64, 6to4, site-local and more. Addresses are judged, never
names: a name can change its mind between the check and the connection.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import msgspec

from webpairs_core.errors import RecipeError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DENIED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network (RFC 791); Linux connects 0.0.0.0 to loopback
        "10.0.0.0/8",  # private use (RFC 1918)
        "100.64.0.0/10",  # shared by carriers (RFC 6598)
        "127.0.0.0/8",  # loopback (RFC 1122)
        "169.254.0.0/16",  # link-local (RFC 3927); cloud metadata services
        "172.16.0.0/12",  # private use (RFC 1918)
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relays, deprecated (RFC 7526)
        "192.168.0.0/16",  # private use (RFC 1918)
        "198.18.0.0/15",  # benchmarking (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112) and broadcast
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
"""The only block that IANA has opened for global unicast; all else is denied without a list."""
_DENIED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments (RFC 2928), Teredo (RFC 4380) among them
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4, deprecated (RFC 7526): carries an IPv4 address of any kind
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: how an IPv6-only network shows the IPv4 web; the last 32 bits decide."""


class Guard(msgspec.Struct, frozen=True):
    """Says which addresses may be reached. Make one with `make_guard`."""

    allowed: tuple[Network, ...] = ()
    """Networks that the recipe opens although they are not public."""

    def permits(self, ip: str) -> bool:
        """Whether this IP address (text as in `sockaddr`, with or without %scope) may be reached.

        What is no IP address is not permitted.
        """
        try:
            address = ip_address(ip.partition("%")[0])
        except ValueError:
            return False
        inner = _embedded(address)
        if any(a in network for network in self.allowed for a in (address, inner)):
            return True
        return _is_public(inner)


def make_guard(private_networks: Iterable[str]) -> Guard:
    """A guard that also lets these CIDR networks through. Raises RecipeError on a malformed one."""
    allowed = []
    for text in private_networks:
        try:
            allowed.append(ip_network(text))
        except ValueError as error:
            raise RecipeError(
                f"crawl.private_networks holds {text!r}, which is no network ({error}): "
                'write it like "127.0.0.0/8"'
            ) from None
    return Guard(tuple(allowed))


def _embedded(address: Address) -> Address:
    """The IPv4 address that a mapped (RFC 4291 §2.5.5.2) or NAT64 address stands for, or itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _DENIED_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _DENIED_V6)
