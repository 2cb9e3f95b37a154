"""From what Scrapy and Twisted raise to outcomes: the one table of both."""

import logging
import zlib

from OpenSSL import SSL
from scrapy import exceptions as scrapy_errors
from service_identity import VerificationError
from twisted.internet import error as twisted_errors
from twisted.web.client import ResponseFailed

from webpairs_core.records import Outcome
from webpairs_crawler.live.resolver import GuardedResolver

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
)
NETWORK_ERRORS = tuple(kind for kind, _ in _OUTCOMES)
"""What a request may end with that is no bug of ours."""


def outcome_of(error: BaseException, host: str) -> Outcome:
    """What became of a request to `host` that ended with this error.

    An error that is not in the table is the peer's doing too (decoders have errors of their own):
    `protocol`, with a line in the log.
    """
    if isinstance(error, scrapy_errors.CannotResolveHostError) and host in GuardedResolver.refused:
        return Outcome.REFUSED_PRIVATE
    if isinstance(error.__cause__, ResponseFailed) and _is_tls(error.__cause__):
        return Outcome.TLS
    for kind, outcome in _OUTCOMES:
        if isinstance(error, kind):
            return outcome
    log.warning("a page of %s: %s: %s", host, type(error).__name__, error)
    return Outcome.PROTOCOL


def _is_tls(error: ResponseFailed) -> bool:
    return any(reason.check(SSL.Error, VerificationError) for reason in error.reasons)
