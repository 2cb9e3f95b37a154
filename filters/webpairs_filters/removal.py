"""Which samples of finished shards go, by lists of the user's: what `webpairs purge` removes.

It sees what the Parquet sidecar of a shard holds. So a URL is the one that the image was asked for
at, not where it was redirected to, and a digest is that of the file as it was received.
"""

from collections.abc import Callable, Collection
from functools import cache

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from webpairs_core.errors import ListError
from webpairs_filters.duplicates.near_pairs import NONE, Hashes, first_within
from webpairs_filters.url.blocklist import lies_under
from webpairs_filters.user_lists import domain_list, hex_list, url_list

Mask = npt.NDArray[np.bool_]


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of lists, one entry a line, by what they name."""

    url: tuple[str, ...] = ()
    """Addresses of images, whole."""
    page: tuple[str, ...] = ()
    """Addresses of the pages that the samples were found on, whole."""
    domain: tuple[str, ...] = ()
    """Domains that the host of the image is or lies under."""
    page_domain: tuple[str, ...] = ()
    """The same of the page's host."""
    key: tuple[str, ...] = ()
    """Keys of samples, 32 hex digits."""
    sha256: tuple[str, ...] = ()
    """Of image files as they were received, 64 hex digits."""
    phash: tuple[str, ...] = ()
    """64-bit perceptual hashes of pictures, 16 hex digits."""
    phash_distance: int = 4
    """Bits of 64 up to which a picture is a listed one."""

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """The paths of each kind of list that is there."""
        return {rule: getattr(self, rule) for rule in RULES if getattr(self, rule)}


RULES = ("url", "page", "domain", "page_domain", "key", "sha256", "phash")


def check_removal(removal: Removal) -> None:
    """Read all lists. Raises ListError for a missing, malformed or empty one."""
    for rule, paths in removal.lists.items():
        for path in paths:
            if not len(_READERS[rule](path)):
                raise ListError(f"the list {path} holds no entry: nothing would be removed")


def named(rows: pa.Table, removal: Removal) -> dict[str, Mask]:
    """For each kind of list that is there, which rows (schema SHARD) it names. Raises ListError."""
    found: dict[str, Mask] = {}
    for rule, paths in removal.lists.items():
        is_named = np.zeros(rows.num_rows, bool)
        for path in paths:
            is_named |= _mask(rows, rule, path, removal.phash_distance)
        found[rule] = is_named
    return found


def _mask(rows: pa.Table, rule: str, path: str, distance: int) -> Mask:
    column = rows[_COLUMNS[rule]].to_pylist()
    if rule == "phash":
        nearest = first_within(_phash_list(path), _numbers(column), distance)
        return np.not_equal(nearest, NONE)
    if rule in ("domain", "page_domain"):
        hits = (lies_under(url, path) for url in column)
    else:
        listed = _READERS[rule](path)
        hits = (value in listed for value in column)
    return np.fromiter(hits, bool, len(column))


@cache
def _phash_list(path: str) -> Hashes:
    return _numbers(sorted(hex_list(path, "phash", 16)))


def _numbers(hashes: list[str]) -> Hashes:
    """Hashes of 16 hex digits as numbers."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), ">u8").astype(np.uint64)


_COLUMNS = {
    "url": "url",
    "page": "page_url",
    "domain": "url",
    "page_domain": "page_url",
    "key": "key",
    "sha256": "sha256",
    "phash": "phash",
}
_READERS: dict[str, Callable[[str], Collection[str]]] = {
    "url": url_list,
    "page": url_list,
    "domain": domain_list,
    "page_domain": domain_list,
    "key": lambda path: hex_list(path, "key", 32),
    "sha256": lambda path: hex_list(path, "sha256", 64),
    "phash": lambda path: hex_list(path, "phash", 16),
}
