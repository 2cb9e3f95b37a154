"""What a server's answer, or the lack of one, means: the one place that turns aiohttp's errors and
HTTP's numbers into the closed list of outcomes."""

import ssl

import aiohttp
import msgspec

from webpairs_core.records import Outcome


class Timing(msgspec.Struct, frozen=True):
    """Where the time of one request went, in milliseconds; 0 where there was nothing to do, as for
    the name and the connection when a connection was used again."""

    dns_ms: int = 0
    connect_ms: int = 0
    """TCP and TLS, the name not."""
    first_byte_ms: int = 0
    """From the request's start on a ready connection to the end of the answer's headers."""
    body_ms: int = 0


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one URL."""

    outcome: Outcome
    http_status: int = 0
    """0: no answer was read."""
    final_url: str = ""
    """Where the redirects led; the URL itself when there were none."""
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""
    optout: tuple[str, ...] = ()
    """Signals of the sites on the way and in the answer's headers, each `signal:value@image`."""
    data: bytes = b""
    """The body, after Content-Encoding; empty unless the outcome is ok."""
    wait_s: float = 0.0
    """What the server asked for by Retry-After."""
    fetch_ms: int = 0
    """Of the last attempt, redirects included, waiting for a free slot not."""
    timing: Timing = Timing()
    """Of the last request."""
    is_for_now: bool = False
    """Refused only because the site's robots.txt cannot be had at present."""
    attempts: int = 0
    """Requests for the URL; 0 when its robots.txt or its host had refused before."""
    is_unchanged: bool = False
    """The server says (304) that what is known of the URL still holds: ok, but without data."""


class AddressRefused(OSError):
    """The guard does not permit this address."""


class BodyRefused(Exception):
    """The body is not wanted, or not worth waiting for."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


FAILURES = (aiohttp.ClientError, BodyRefused, OSError, ValueError)
"""All that a request may raise. TimeoutError and ssl.SSLError are OSErrors; a host that IDNA cannot
encode is a UnicodeError, which is a ValueError."""

_HEALING = frozenset(
    {
        Outcome.DNS,
        Outcome.CONNECT,
        Outcome.TIMEOUT,
        Outcome.SLOW,
        Outcome.PROTOCOL,
        Outcome.HTTP_5XX,
    }
)


def outcome_of_error(error: Exception) -> Outcome:
    """The outcome of a request that raised one of `FAILURES`. Total: nothing is unknown."""
    match error:
        case BodyRefused():
            return error.outcome
        case aiohttp.ConnectionTimeoutError():
            return Outcome.CONNECT
        case TimeoutError():
            return Outcome.TIMEOUT
        case aiohttp.ClientConnectorDNSError():
            return Outcome.DNS
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return Outcome.TLS
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, AddressRefused):
            return Outcome.REFUSED_PRIVATE
        case aiohttp.ClientConnectorError():
            return Outcome.CONNECT
        case aiohttp.InvalidURL():
            return Outcome.BAD_URL
        case aiohttp.ClientError():  # cut, reset or garbled after the connection stood
            return Outcome.PROTOCOL
        case OSError():
            return Outcome.CONNECT
        case _:
            return Outcome.BAD_URL


def outcome_of_status(status: int) -> Outcome:
    """The outcome of a final HTTP status; ok means that the body is to be read."""
    if 200 <= status < 300 and status != 206:  # a part of it was not asked for
        return Outcome.OK
    if 400 <= status < 500:
        return Outcome.HTTP_4XX
    if 500 <= status < 600:
        return Outcome.HTTP_5XX
    # A redirect without a target, 304 to a plain GET, a number out of range.
    return Outcome.PROTOCOL


NO_CONNECTION = frozenset({Outcome.DNS, Outcome.CONNECT, Outcome.TLS})
"""No request was sent: it is the host that failed, not one of its URLs."""


BUSY = frozenset({429, 503})
"""A host that asks to be left alone (RFC 6585 §4, RFC 9110 §15.6.4)."""


def is_hosts_fault(fetched: Fetched) -> bool:
    """Whether the answer, or the lack of one, says that the host is in trouble or wants to be left
    alone: any other answer, a 404 too, shows a host at work."""
    return can_heal(fetched) or fetched.outcome in NO_CONNECTION


def can_heal(fetched: Fetched) -> bool:
    """Whether asking again later may help."""
    return fetched.outcome in _HEALING or fetched.http_status == 429
