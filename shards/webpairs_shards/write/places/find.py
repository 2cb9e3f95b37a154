"""From what a user writes to the place that it means."""

from pathlib import Path
from threading import Event
from typing import Any

from webpairs_core.errors import RecipeError
from webpairs_shards.write.places.local import LocalPlace
from webpairs_shards.write.places.patience import broken, why
from webpairs_shards.write.places.place import Source, Target
from webpairs_shards.write.places.remote import RemotePlace, web_options
from webpairs_shards.write.places.s3 import S3Place, s3_options

_LOCAL = ("file", "local")
_WEB = ("http", "https")
_S3 = ("s3", "s3a")


def source_at(where: str, stop: Event) -> Source:
    """A folder to read from. Raises RecipeError when `where` is no place."""
    return _place(where, stop, is_written=False)


def target_at(where: str, stop: Event) -> Target:
    """A folder to write to. Raises RecipeError when `where` is no place to write to."""
    if where.startswith(tuple(f"{protocol}://" for protocol in _WEB)):
        raise RecipeError(f"nothing can be written to {where}: give a folder or a bucket")
    return _place(where, stop, is_written=True)


def _place(where: str, stop: Event, is_written: bool) -> LocalPlace | RemotePlace:
    protocol, mark, rest = where.partition("://")
    if not mark:
        return LocalPlace(Path(where).expanduser(), stop)
    if protocol in _LOCAL:
        return LocalPlace(Path(rest), stop)
    if "::" in where or not rest.strip("/"):
        raise RecipeError(f"{where} is no folder: give e.g. s3://bucket/name")
    system, root = _open(where, protocol, is_written)
    if protocol in _S3:
        return S3Place(where, system, root, stop)
    return RemotePlace(where, system, root, stop)


def _open(where: str, protocol: str, is_written: bool) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        options: dict[str, Any] = {}
        if protocol in _S3:
            import s3fs  # type: ignore[import-untyped]  # noqa: F401 - else fsspec's own words

            options = s3_options(is_written)
        elif protocol in _WEB:
            options = web_options()
        system, root = url_to_fs(where, **options)
    except ImportError as error:
        extra = "webpairs[s3]" if protocol in _S3 else ""
        what = f"pip install '{extra}'" if extra else str(error)
        raise RecipeError(f"{protocol}:// needs a package that is not installed: {what}") from None
    except broken() as error:  # an unknown protocol, a profile that AWS's settings do not have
        raise RecipeError(f"{where} is no place that can be opened: {why(error)}") from None
    return system, str(root)
