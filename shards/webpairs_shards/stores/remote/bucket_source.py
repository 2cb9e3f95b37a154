"""Byte ranges of the objects of a bucket, through fsspec's s3fs and with the user's own settings.

Where the account and the endpoint come from is AWS's business (AWS_PROFILE, AWS_ENDPOINT_URL, …)
and fsspec's (its configuration files); without an account the bucket is read as the public does.
"""

import asyncio
from typing import Any, cast

from webpairs_core.errors import RecipeError, ShardError, StorageError
from webpairs_shards.stores.remote.options import RemoteOptions
from webpairs_shards.stores.remote.web_source import LONGEST, Passing

_HEALING = (408, 429)
_ACCOUNTS = ("anon", "key", "secret", "token", "session", "profile", "username")
_S3 = "s3://"


class BucketSource:
    """A folder of a bucket: `s3://BUCKET/PREFIX`. See `Source`."""

    def __init__(self, url: str, options: RemoteOptions) -> None:
        try:
            import s3fs  # type: ignore[import-untyped]  # noqa: F401 - else fsspec's own words
        except ImportError:
            raise RecipeError(
                "reading s3:// needs the extra of that name: pip install 'webpairs[s3]'"
            ) from None
        self._folder = url.removeprefix(_S3).strip("/")
        if not self._folder:
            raise ShardError(f"{url} names no bucket: give s3://BUCKET/PATH/shards")
        self._options = options
        self._system: Any = None
        self._opening = asyncio.Lock()

    def address(self, name: str) -> str:
        """See `Source`."""
        return f"{_S3}{self._folder}/{name}"

    async def get(self, name: str, start: int, n_bytes: int | None) -> bytes:
        """See `Source`."""
        from botocore.exceptions import (  # type: ignore[import-untyped]
            BotoCoreError,
            HTTPClientError,
            IncompleteReadError,
            ResponseStreamingError,
        )

        path = f"{self._folder}/{name}"
        end = None if n_bytes is None else start + n_bytes
        healing = (HTTPClientError, IncompleteReadError, ResponseStreamingError)
        try:
            async with asyncio.timeout(LONGEST * self._options.timeout_s):
                system = await self._opened()
                data = await system._cat_file(path, start=start, end=end)
                return cast(bytes, data)
        except FileNotFoundError:
            raise FileNotFoundError(self.address(name)) from None
        except TimeoutError:
            raise Passing("no answer in time") from None
        except healing as error:
            raise Passing(_short(error)) from None
        except (OSError, BotoCoreError) as error:
            if _status(error) == 416 and n_bytes is not None:
                return b""
            raise self._in_words(name, error) from None

    async def close(self) -> None:
        """See `Source`."""
        if self._system is not None and self._system._s3 is not None:
            await self._system._s3.close()
        self._system = None

    async def _opened(self) -> Any:
        async with self._opening:
            if self._system is None:
                system = await asyncio.to_thread(self._made)
                system.retries = 1  # `fetch_ranges` tries again, and counts
                system._loop = asyncio.get_running_loop()
                await system.set_session()
                self._system = system
        return self._system

    def _made(self) -> Any:
        import fsspec
        from botocore.session import Session  # type: ignore[import-untyped]
        from fsspec.config import conf

        own = conf.get("s3", {})
        settings: dict[str, Any] = {}
        if not any(word in own for word in _ACCOUNTS):
            settings["anon"] = Session().get_credentials() is None
        wait_s = self._options.timeout_s
        patience = {
            "connect_timeout": wait_s,
            "read_timeout": wait_s,
            "retries": {"max_attempts": 0},
            "max_pool_connections": self._options.read_ahead,
        }
        settings["config_kwargs"] = patience | own.get("config_kwargs", {})
        return fsspec.filesystem("s3", asynchronous=True, skip_instance_cache=True, **settings)

    def _in_words(self, name: str, error: BaseException) -> Exception:
        status = _status(error)
        if status is not None and (status in _HEALING or status >= 500):
            return Passing(f"HTTP {status}")
        if status is None and isinstance(error, ConnectionError):
            return Passing(_short(error))
        if isinstance(error, PermissionError) or status in (401, 403):
            return StorageError(
                f"{self.address(name)} may not be read by you ({_short(error)}): check the rights "
                "of the bucket and your account (AWS_PROFILE, AWS_ENDPOINT_URL, …)"
            )
        return StorageError(
            f"{self.address(name)} cannot be read ({_short(error)}): check the URL and your account"
        )


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _status(error: BaseException) -> int | None:
    """The HTTP status of what botocore met, which s3fs wraps."""
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return int(status) if status else None
    return None
