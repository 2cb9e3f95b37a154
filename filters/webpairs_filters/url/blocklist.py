"""Addresses on lists of the user's: URLs, domains, digests of URLs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.patterns import first_reason
from webpairs_filters.user_lists import domain_list, hash_list, url_list

if TYPE_CHECKING:
    import pyarrow as pa

_HOST = re.compile(r"[a-z]+://(\[[^\]]*\]|[^/?#:]*)", re.ASCII)
_HASHES: dict[int, Callable[[bytes], hashlib._Hash]] = {
    16: lambda data: hashlib.md5(data, usedforsecurity=False),
    20: lambda data: hashlib.sha1(data, usedforsecurity=False),
    32: hashlib.sha256,
}
"""By bytes of the digest; MD5 and SHA-1 because lists come in them."""


class UrlBlocklist(PairFilter, frozen=True, kw_only=True, tag="url_blocklist"):
    """Drop images whose address is on a list, as it is kept (`url`) or as the page has it
    (`src_url`).

    `urls`: whole URLs. `domains`: the host is one of them or lies under one (example.org names
    www.example.org, too); with `pages`, the page's host as well. `hashes`: MD5, SHA-1 or SHA-256 of
    the URL, in hex, the form of opt-out lists and of lists of abuse, which name no address.
    """

    reasons: ClassVar[tuple[str, ...]] = (
        "url_on_blocklist",
        "domain_on_blocklist",
        "url_hash_on_blocklist",
    )
    file_fields: ClassVar[tuple[str, ...]] = ("urls", "domains", "hashes")
    urls: str = ""
    domains: str = ""
    hashes: str = ""
    pages: bool = False

    def __post_init__(self) -> None:
        if not self.files():
            raise ValueError("url_blocklist needs a file in urls, domains or hashes")

    def reject(self, pair: Pair) -> str | None:
        """See the class. Raises ListError."""
        images = (pair.url, pair.src_url)
        pages = (pair.page_url,) if self.pages else ()
        if self.urls and any(url in url_list(self.urls) for url in images):
            return "url_on_blocklist"
        if self.domains and any(lies_under(url, self.domains) for url in images + pages):
            return "domain_on_blocklist"
        is_hashed = self.hashes and any(_is_hashed(url, self.hashes) for url in images)
        return "url_hash_on_blocklist" if is_hashed else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`. Raises ListError."""
        import pyarrow as pa

        columns = {name: batch[name].dictionary_encode() for name in ("url", "src_url", "page_url")}

        def mask(name: str, is_on: Callable[[str], bool]) -> pa.Array:
            found = [is_on(url) for url in columns[name].dictionary.to_pylist()]
            return pa.array(found, pa.bool_()).take(columns[name].indices)

        def any_of(names: list[str], is_on: Callable[[str], bool]) -> pa.Array:
            import pyarrow.compute as pc

            first, *others = (mask(name, is_on) for name in names)
            for other in others:
                first = pc.or_(first, other)
            return first

        images = ["url", "src_url"]
        rules = {}
        if self.urls:
            rules["url_on_blocklist"] = any_of(images, url_list(self.urls).__contains__)
        if self.domains:
            hosts = images + ["page_url"] * self.pages
            rules["domain_on_blocklist"] = any_of(hosts, lambda url: lies_under(url, self.domains))
        if self.hashes:
            rules["url_hash_on_blocklist"] = any_of(
                images, lambda url: _is_hashed(url, self.hashes)
            )
        return first_reason(rules)


def lies_under(url: str, path: str) -> bool:
    """Whether the host of a canonical URL is a domain of the list or ends in one."""
    domains = domain_list(path)
    found = _HOST.match(url)
    host = found[1].removesuffix(".") if found else ""
    while host:
        if host in domains:
            return True
        host = host.partition(".")[2]
    return False


def _is_hashed(url: str, path: str) -> bool:
    data = url.encode("utf-8", "surrogatepass")
    return any(_HASHES[size](data).digest() in digests for size, digests in hash_list(path).items())
