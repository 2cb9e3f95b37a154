"""From what Scrapy and Twisted raise to outcomes: the one table of both; and what may heal."""

import logging
import zlib

from OpenSSL import SSL
from scrapy import exceptions as scrapy_errors
from scrapy.utils import _compression as codecs
from service_identity import VerificationError
from twisted.internet import error as twisted_errors
from twisted.web.client import ResponseFailed

from webpairs_core.records import Outcome
from webpairs_crawler.live.resolver import GuardedResolver
from webpairs_crawler.web import http

log = logging.getLogger(__name__)

_OUTCOMES: tuple[tuple[type[Exception], Outcome], ...] = (
    (scrapy_errors.CannotResolveHostError, Outcome.DNS),
    (scrapy_errors.DownloadConnectionRefusedError, Outcome.CONNECT),
    (scrapy_errors.DownloadTimeoutError, Outcome.TIMEOUT),
    # The only cancellations are ours: a body above DOWNLOAD_MAXSIZE.
    (scrapy_errors.DownloadCancelledError, Outcome.TOO_LARGE),
    (scrapy_errors.ResponseDataLossError, Outcome.PROTOCOL),
    (scrapy_errors.UnsupportedURLSchemeError, Outcome.BAD_URL),
    (scrapy_errors.DownloadFailedError, Outcome.PROTOCOL),
    # Raised by the decompression of a body that grows above DOWNLOAD_MAXSIZE.
    (scrapy_errors.IgnoreRequest, Outcome.TOO_LARGE),
    (twisted_errors.ConnectError, Outcome.CONNECT),
    (twisted_errors.ConnectionClosed, Outcome.PROTOCOL),
    (VerificationError, Outcome.TLS),
    (SSL.Error, Outcome.TLS),
    (UnicodeError, Outcome.BAD_URL),
    (OSError, Outcome.PROTOCOL),
    (EOFError, Outcome.PROTOCOL),
    (ValueError, Outcome.PROTOCOL),
    (zlib.error, Outcome.PROTOCOL),
    (codecs.brotli.error, Outcome.PROTOCOL),
    (codecs.zstd.ZstdError, Outcome.PROTOCOL),
)
NETWORK_ERRORS = tuple(kind for kind, _ in _OUTCOMES)
"""What a request may end with that is no bug of ours."""

_CAN_HEAL = frozenset(
    [Outcome.DNS, Outcome.CONNECT, Outcome.TIMEOUT, Outcome.PROTOCOL, Outcome.HTTP_5XX]
)
_TOO_MANY_REQUESTS = 429
_FIRST_PAUSE_S = 0.5
_MAX_PAUSE_S = 60.0
MAX_RETRY_AFTER_S = 600.0
"""A longer Retry-After is cut: one host must not hold up a crawl for hours."""


class KeptAway(scrapy_errors.IgnoreRequest):  # type: ignore[misc]
    """Our own refusal to ask for a page, with its outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


def outcome_of(error: BaseException, host: str) -> Outcome:
    """What became of a request to `host` that ended with this error.

    An error that carries its outcome says so itself (`KeptAway`). One that is not in the table is
    the peer's doing too (decoders have errors of their own): `protocol`, with a line in the log.
    """
    if isinstance(error, KeptAway):
        return error.outcome
    if isinstance(error, scrapy_errors.CannotResolveHostError) and host in GuardedResolver.refused:
        return Outcome.REFUSED_PRIVATE
    if isinstance(error.__cause__, ResponseFailed) and _is_tls(error.__cause__):
        return Outcome.TLS
    for kind, outcome in _OUTCOMES:
        if isinstance(error, kind):
            return outcome
    log.warning("a page of %s: %s: %s", host, type(error).__name__, error)
    return Outcome.PROTOCOL


def outcome_of_status(status: int) -> Outcome | None:
    """The outcome of an answer with an error status; None for others."""
    if status < 400:
        return None
    return Outcome.HTTP_4XX if status < 500 else Outcome.HTTP_5XX


def can_heal(outcome: Outcome | None, status: int = 0) -> bool:
    """Whether the same request may end better a little later."""
    return outcome in _CAN_HEAL or status == _TOO_MANY_REQUESTS or status >= 500


def pause_before(attempt: int) -> float:
    """Seconds to wait before the `attempt`-th repeat (1, 2, ...): doubling."""
    return float(min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _MAX_PAUSE_S))


def retry_after_s(value: str) -> float:
    """Seconds that a Retry-After header asks for, at most `MAX_RETRY_AFTER_S`."""
    return min(http.retry_after_s(value), MAX_RETRY_AFTER_S)


def _is_tls(error: ResponseFailed) -> bool:
    return any(reason.check(SSL.Error, VerificationError) for reason in error.reasons)
