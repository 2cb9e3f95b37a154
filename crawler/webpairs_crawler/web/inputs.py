"""Files that a recipe names: found and opened wherever they lie: on disk, behind http(s), in s3.

fsspec does the reading; this module adds what a long run needs: a file is streamed in blocks, a
dropped connection is taken up where it broke, and whatever goes wrong is one sentence. Nothing is
unpacked on the way: a .gz behind http arrives as its own bytes, whatever its Content-Encoding says.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from webpairs_core import __version__
from webpairs_core.errors import RecipeError, StorageError

WEB = ("http://", "https://")
S3 = "s3://"
_BLOCK_BYTES = 4 << 20
_PAUSES_S = (0.5, 2.0, 8.0, 30.0)
"""Before each new attempt at what a server refused for now, or at a connection that dropped.
Common Crawl's answers 503 to whoever asks too fast."""
_AWAY_S = 2.0
"""No longer pause than this for a server that cannot be reached: its name may be wrong."""
_HEALING = (408, 429)
_FORBIDDEN = (401, 403)
_MISSING = (404, 410)
_MAGIC = "*?["


class Found(msgspec.Struct, frozen=True):
    """A file that is there, or that a remote place is said to hold."""

    url: str
    """A local path, or an http(s) or s3 URL."""
    size: int = 0
    """Bytes; 0 when not known."""


def is_remote(url: str) -> bool:
    """Whether a file lies elsewhere."""
    return url.startswith((*WEB, S3))


def find(patterns: Sequence[str], setting: str) -> list[Found]:
    """The files that paths, globs and URLs name, sorted by URL, each once.

    A URL without a glob is taken at its word, without asking. `setting` is what the recipe calls
    the patterns. Raises RecipeError when a pattern names no file, StorageError when a bucket
    cannot be listed.
    """
    found: dict[str, Found] = {}
    for pattern in patterns:
        files = _remote(pattern) if "://" in pattern else _local(pattern)
        if not files:
            raise RecipeError(f"no file matches {pattern}: correct {setting}")
        found.update((file.url, file) for file in files)
    return sorted(found.values(), key=lambda file: file.url)


def open_input(url: str) -> BinaryIO:
    """Open a file for reading from its start on, a block at a time; seekable where its place is.

    Raises RecipeError when it is not there or needs an extra that is not installed, StorageError
    when it cannot be had; reading raises StorageError when the connection stays broken.
    """
    if not is_remote(url):
        with _in_words(url):
            return Path(url).open("rb")
    system = _s3() if url.startswith(S3) else _web()
    file = _patiently(
        url, lambda: system.open(url, "rb", block_size=_BLOCK_BYTES, cache_type="readahead")
    )
    return cast(BinaryIO, io.BufferedReader(_RemoteFile(url, file), 1 << 16))


class _RemoteFile(io.RawIOBase):
    """Tries again where a connection dropped: fsspec has the place, and asks for the rest."""

    def __init__(self, url: str, file: Any) -> None:
        self._url = url
        self._file = file
        # fsspec's plain stream (no ranges) says that it can seek, and cannot.
        self._is_seekable = hasattr(file, "cache") and file.size is not None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._is_seekable

    def seek(self, offset: int, whence: int = 0) -> int:
        if not self._is_seekable:
            raise io.UnsupportedOperation(f"{self._url} cannot be read in parts")
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, n_bytes: int) -> bytes:
        if self._is_seekable:
            return cast(bytes, _patiently(self._url, lambda: self._file.read(n_bytes)))
        with _in_words(self._url):
            return cast(bytes, self._file.read(n_bytes))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _local(pattern: str) -> list[Found]:
    path = Path(pattern).expanduser()
    if path.is_dir():
        raise RecipeError(f"{pattern} is a folder: name its files, e.g. {path}/*")
    if path.exists() or not any(c in pattern for c in _MAGIC):
        paths = [path] if path.exists() else []
    else:
        fixed = next(p for p in path.parents if not any(c in str(p) for c in _MAGIC))
        paths = [p for p in fixed.glob(str(path.relative_to(fixed))) if p.is_file()]
    return [Found(str(p), p.stat().st_size) for p in paths]


def _remote(pattern: str) -> list[Found]:
    if pattern.startswith(WEB):
        if "*" in pattern:
            raise RecipeError(
                f"{pattern} cannot be searched, for the web has no folders: name each file"
            )
        return [Found(pattern)]
    if not pattern.startswith(S3):
        raise RecipeError(f"{pattern} is no local path, http(s) URL or s3 URL")
    if not any(c in pattern for c in _MAGIC):
        return [Found(pattern)]
    listed = _patiently(pattern, lambda: _s3().glob(pattern, detail=True))
    return [
        Found(S3 + name, int(facts["size"]))
        for name, facts in listed.items()
        if facts["type"] == "file"
    ]


@cache
def _web() -> Any:
    import aiohttp
    import fsspec

    return fsspec.filesystem(
        "https",
        # A whole file may take hours; only silence is a fault.
        client_kwargs={
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60),
            "headers": {"User-Agent": f"webpairs/{__version__}", "Accept-Encoding": "identity"},
            "auto_decompress": False,
            "trust_env": True,
        },
    )


@cache
def _s3() -> Any:
    try:
        import fsspec
        import s3fs  # type: ignore[import-untyped]  # noqa: F401 - else fsspec's own words
        from botocore.session import Session  # type: ignore[import-untyped]
    except ImportError:
        raise RecipeError(
            "reading s3:// needs the extra of that name: pip install 'webpairs[s3]'"
        ) from None
    # Public buckets need no account; where there is one it is used. AWS's own settings hold
    # (AWS_PROFILE, AWS_ENDPOINT_URL and the like).
    return fsspec.filesystem("s3", anon=Session().get_credentials() is None)


def _broken() -> tuple[type[BaseException], ...]:
    """What a failed read of a remote file raises."""
    import aiohttp

    kinds: list[type[BaseException]] = [OSError, TimeoutError, ValueError, aiohttp.ClientError]
    try:
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
    except ImportError:
        return tuple(kinds)
    return (*kinds, BotoCoreError)


def _patiently(url: str, act: Callable[[], Any]) -> Any:
    """What `act` gives, after new attempts where a fault can heal. Raises as `_in_words`."""
    with _in_words(url):
        for pause_s in _PAUSES_S:
            try:
                return act()
            except _broken() as error:
                if not _can_heal(error) or (_is_away(error) and pause_s > _AWAY_S):
                    raise
            time.sleep(pause_s)
        return act()


def _can_heal(error: BaseException) -> bool:
    if isinstance(error, PermissionError) or _is_missing(error):
        return False
    status = _status(error)
    return status is None or status in _HEALING or status >= 500


def _is_away(error: BaseException) -> bool:
    """Whether there was no server to speak to."""
    import aiohttp

    return isinstance(error.__cause__ or error, aiohttp.ClientConnectorError)


def _is_missing(error: BaseException) -> bool:
    """Whether the storage itself says so: fsspec calls a file missing whose server is away."""
    import aiohttp

    away = isinstance(error.__cause__, aiohttp.ClientError | OSError)
    is_told = isinstance(error, FileNotFoundError | IsADirectoryError) and not away
    return is_told or _status(error) in _MISSING


def _status(error: BaseException) -> int | None:
    """The HTTP status in an error of fsspec, or in what it stands for."""
    return getattr(error, "status", None) or getattr(error.__cause__, "status", None)


@contextmanager
def _in_words(url: str) -> Iterator[None]:
    """Say what is wrong with a file in one sentence."""
    try:
        yield
    except _broken() as error:
        status = _status(error)
        if isinstance(error, PermissionError) or status in _FORBIDDEN:
            raise RecipeError(
                f"{url} may not be read by you: check rights and credentials"
            ) from None
        if _is_missing(error):
            raise RecipeError(f"{url} is not there: correct the recipe") from None
        reason = error.__cause__ or error
        why = f"HTTP {status}" if status else " ".join(str(reason).split())[:200]
        raise StorageError(
            f"{url} cannot be read ({why or type(reason).__name__}): check the network and run "
            "the same command again"
        ) from error
