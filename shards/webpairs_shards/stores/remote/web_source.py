"""Byte ranges of the files of a web server (RFC 9110, section 14).

One `get` is one attempt: what may heal is a `Passing`, and `fetch_ranges` tries again.
"""

import asyncio
import logging
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

from webpairs_core import __version__
from webpairs_core.errors import ShardError, StorageError
from webpairs_shards.stores.remote.options import RemoteOptions

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

LONGEST = 10
"""Silences (`timeout_s`) that one answer may take: a server that sends a byte now and then."""
_READ_THROUGH_BYTES = 64 << 20
"""Of a server without ranges, files up to this size are read from their start."""
_MAX_RETRY_AFTER_S = 120.0
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_HEALING = (408, 425, 429)
_FORBIDDEN = (401, 403, 407)
_MISSING = (404, 410)


class Passing(Exception):
    """A fault that may heal, in a few words."""

    def __init__(self, words: str, pause_s: float = 0.0, *, is_away: bool = False) -> None:
        super().__init__(words)
        self.pause_s = pause_s
        """What the server asks for."""
        self.is_away = is_away
        """Whether there was no server to speak to."""


class Source(Protocol):
    """A place that gives ranges of the files of one folder; lives in one event loop."""

    def address(self, name: str) -> str:
        """The URL of a file, for sentences: without secrets."""
        ...

    async def get(self, name: str, start: int, n_bytes: int | None) -> bytes:
        """Bytes of a file, fewer where it ends before; all from `start` on when `n_bytes` is None.

        Raises Passing; FileNotFoundError; StorageError for what will not heal.
        """
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...


class WebSource:
    """A folder behind http(s). Proxies and passwords are those of the environment and ~/.netrc."""

    def __init__(self, url: str, options: RemoteOptions) -> None:
        from yarl import URL

        self._base = URL(url)
        if not self._base.host:
            raise ShardError(f"{url} names no host: give https://HOST/PATH/shards")
        if self._base.user is not None or self._base.password is not None:
            raise ShardError(
                f"the URL of {self._base.host} holds a password, which would end up in logs: put "
                "it into ~/.netrc"
            )
        self._options = options
        self._session: aiohttp.ClientSession | None = None
        self._is_warned = False

    def address(self, name: str) -> str:
        """See `Source`."""
        return (self._base / name).with_query(None).human_repr()

    async def get(self, name: str, start: int, n_bytes: int | None) -> bytes:
        """See `Source`."""
        import aiohttp

        try:
            async with asyncio.timeout(LONGEST * self._options.timeout_s):
                return await self._get(name, start, n_bytes)
        except aiohttp.ClientConnectorCertificateError as error:
            raise StorageError(
                f"{self.address(name)} shows a certificate that this machine does not trust "
                f"({error.certificate_error}): SSL_CERT_FILE names those to trust"
            ) from None
        except (aiohttp.TooManyRedirects, aiohttp.InvalidURL) as error:
            raise StorageError(
                f"{self.address(name)} leads nowhere ({type(error).__name__}): check the URL"
            ) from None
        except FileNotFoundError:
            raise
        except TimeoutError:
            raise Passing("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            words = " ".join(str(error).split())[:200] or type(error).__name__
            away = isinstance(error, aiohttp.ClientConnectorError)
            raise Passing(words, is_away=away) from None

    async def close(self) -> None:
        """See `Source`."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _get(self, name: str, start: int, n_bytes: int | None) -> bytes:
        url = (self._base / name).with_query(self._base.query)
        headers = {} if n_bytes is None else {"Range": f"bytes={start}-{start + n_bytes - 1}"}
        async with self._opened().get(url, headers=headers) as response:
            status = response.status
            if n_bytes is not None and status == 416:
                return b""
            if status not in (200, 206):
                raise self._refused(name, response)
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding != "identity":
                raise StorageError(
                    f"{self.address(name)} is sent as {encoding}, though its plain bytes were "
                    "asked for: switch compression off for tar, idx and json on that server"
                )
            if n_bytes is None:
                return (await response.read())[start:]
            if status == 206:
                return await _ranged(response, start, n_bytes)
            return await self._through(name, response, start, n_bytes)

    def _opened(self) -> "aiohttp.ClientSession":
        if self._session is None:
            import aiohttp

            wait_s = self._options.timeout_s
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._options.read_ahead),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=wait_s, sock_read=wait_s),
                headers={"User-Agent": f"webpairs/{__version__}", "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=True,
            )
        return self._session

    def _refused(self, name: str, response: "aiohttp.ClientResponse") -> Exception:
        status = response.status
        if status in _MISSING:
            return FileNotFoundError(self.address(name))
        if status in _HEALING or status >= 500:
            return Passing(f"HTTP {status}", _retry_after_s(response.headers.get("Retry-After")))
        if status in _FORBIDDEN:
            return StorageError(
                f"{self.address(name)} may not be read by you (HTTP {status}): check the rights "
                "there and the password in ~/.netrc"
            )
        return StorageError(f"{self.address(name)} cannot be read (HTTP {status}): check the URL")

    async def _through(
        self, name: str, response: "aiohttp.ClientResponse", start: int, n_bytes: int
    ) -> bytes:
        """A range out of the whole body, which a server without ranges sends."""
        size = response.content_length
        if size is None or size > _READ_THROUGH_BYTES:
            response.close()
            raise StorageError(
                f"{self.address(name)} comes from a server without ranges, and is too large to be "
                "read from its start for each sample: use a server that has them (nginx, S3), or "
                "copy the shards"
            )
        if size > n_bytes and not self._is_warned:
            self._is_warned = True
            log.warning(
                "%s has no ranges: shards are read from their start for each sample",
                self._base.host,
            )
        found = bytearray()
        at = 0
        async for chunk in response.content.iter_any():
            found += chunk[max(start - at, 0) : max(start + n_bytes - at, 0)]
            at += len(chunk)
            if len(found) == n_bytes:
                response.close()  # the rest is not waited for
                break
        return bytes(found)


async def _ranged(response: "aiohttp.ClientResponse", start: int, n_bytes: int) -> bytes:
    told = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if told is None or int(told[1]) != start:
        response.close()
        raise Passing("the server answers with other bytes than were asked for")
    data = await response.read()
    is_end = told[3].isdigit() and start + len(data) == int(told[3])
    if len(data) != int(told[2]) + 1 - start or (len(data) < n_bytes and not is_end):
        raise Passing(f"{len(data):,} of {n_bytes:,} bytes came")
    return data[:n_bytes]


def _retry_after_s(value: str | None) -> float:
    """Seconds, or a date (RFC 9110, section 10.2.3); 0 when it is neither."""
    if value is None:
        return 0.0
    try:
        if value.strip().isdigit():
            wait_s = float(value)
        else:
            wait_s = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # a date without a zone cannot be subtracted
        return 0.0
    return min(max(wait_s, 0.0), _MAX_RETRY_AFTER_S)
