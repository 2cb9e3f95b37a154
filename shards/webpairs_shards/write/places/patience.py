"""New attempts where a remote place fails for now; one sentence where it fails for good."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, Literal, TypeVar

from webpairs_core.errors import StorageError
from webpairs_shards.write.places.place import Stopped

log = logging.getLogger(__name__)
Verb = Literal["read", "written"]
_T = TypeVar("_T")

PAUSES_S = (0.5, 2.0, 8.0, 30.0)
"""Before each new attempt."""
_AWAY_S = 2.0
"""No longer pause than this for a server that cannot be reached: its name may be wrong."""
_HEALING = (408, 429)
_HEALING_CODES = ("BadDigest", "OperationAborted", "RequestTimeout", "XAmzContentSHA256Mismatch")
"""Answers of S3 with a status of 4xx, after which the same request may succeed."""
_BAD_CREDENTIALS = (
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
)


class Patience:
    """For the calls to one place. No pause outlasts `stop`."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop

    def __call__(self, address: str, verb: Verb, act: Callable[[], _T]) -> _T:
        """What `act` gives, after new attempts where a fault can heal.

        Raises StorageError, which names `address`; Stopped.
        """
        with _in_words(address, verb):
            for pause_s in PAUSES_S:
                self.check()
                try:
                    return act()
                except broken() as error:
                    if not _can_heal(error) or (_is_away(error) and pause_s > _AWAY_S):
                        raise
                    log.debug("%s: %s; again in %g s", address, why(error), pause_s)
                self._stop.wait(pause_s)
            self.check()
            return act()

    def check(self) -> None:
        """Raises Stopped when it is time to leave."""
        if self._stop.is_set():
            raise Stopped


def broken() -> tuple[type[BaseException], ...]:
    """What a failed call of fsspec raises."""
    import aiohttp

    kinds: list[type[BaseException]] = [OSError, TimeoutError, ValueError, aiohttp.ClientError]
    try:
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
    except ImportError:
        return tuple(kinds)
    return (*kinds, BotoCoreError)


def is_missing(error: BaseException) -> bool:
    """Whether the place itself says that there is no such file: fsspec says so, too, where the
    server is away; and a bucket that is not there is another matter."""
    import aiohttp

    is_away = isinstance(error.__cause__, aiohttp.ClientError | OSError)
    is_told = isinstance(error, FileNotFoundError) and not is_away
    return (is_told or _status(error) in (404, 410)) and code_of(error) != "NoSuchBucket"


def code_of(error: BaseException) -> str:
    """The word of S3 for what is wrong, e.g. NoSuchBucket; empty for other errors."""
    return str(_answer(error).get("Error", {}).get("Code", ""))


def _answer(error: BaseException) -> dict[str, Any]:
    answer = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    return answer if isinstance(answer, dict) else {}


def _status(error: BaseException) -> int | None:
    """The HTTP status in an error, or in what it stands for."""
    told = getattr(error, "status", None) or getattr(error.__cause__, "status", None)
    status: int | None = told or _answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status


def _can_heal(error: BaseException) -> bool:
    status = _status(error)
    if status is not None and status >= 300:
        return status in _HEALING or status >= 500 or code_of(error) in _HEALING_CODES
    return any(isinstance(one, _dropped()) for one in (error, error.__cause__))


def _dropped() -> tuple[type[BaseException], ...]:
    """Errors of a connection, not of what was asked."""
    import aiohttp

    kinds: list[type[BaseException]] = [ConnectionError, TimeoutError, aiohttp.ClientError]
    try:
        from botocore import exceptions, parsers  # type: ignore[import-untyped]
    except ImportError:
        return tuple(kinds)
    kinds += [
        exceptions.HTTPClientError,
        exceptions.ConnectionError,
        exceptions.IncompleteReadError,
    ]
    return (*kinds, parsers.ResponseParserError)


def _is_away(error: BaseException) -> bool:
    """Whether there was no server to speak to."""
    kinds = ("ClientConnectorError", "ClientConnectorDNSError", "EndpointConnectionError")
    return type(error.__cause__ or error).__name__ in kinds


@contextmanager
def _in_words(address: str, verb: Verb) -> Iterator[None]:
    try:
        yield
    except broken() as error:
        code = code_of(error)
        if "Credentials" in type(error).__name__:  # of botocore: none, half of them, none to renew
            raise StorageError(
                f"there are no credentials for {address}: set AWS_PROFILE, or AWS_ACCESS_KEY_ID "
                "and AWS_SECRET_ACCESS_KEY"
            ) from error
        if code in _BAD_CREDENTIALS:
            raise StorageError(
                f"the credentials for {address} are refused ({code}): correct them"
            ) from error
        if code == "NoSuchBucket":
            raise StorageError(
                f"the bucket of {address} is not there: make it first, or correct the URL"
            ) from error
        if isinstance(error, PermissionError) or _status(error) in (401, 403):
            raise StorageError(
                f"{address} may not be {verb} by you: check rights and credentials"
            ) from error
        if is_missing(error):
            raise StorageError(f"{address} is not there: correct the URL") from error
        raise StorageError(
            f"{address} cannot be {verb} ({why(error)}): check the network and run the same "
            "command again; files that are there are kept"
        ) from error


def why(error: BaseException) -> str:
    """An error in a few words."""
    reason = error.__cause__ or error
    status, code = _status(error), code_of(error)
    if status is not None and status >= 300:
        return f"HTTP {status} {code}".strip() if code != str(status) else f"HTTP {status}"
    return " ".join(str(reason).split())[:200] or type(reason).__name__
