"""Which URLs a crawl may follow.

Two URLs are one page only when they are equal in canonical form: `/x/` and `/x/index.html` stay two
pages, because nothing but the server knows whether they are one. Their pairs meet again in the
dedup stage.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from webpairs_core.errors import RecipeError
from webpairs_crawler.frontier.plan import CrawlPlan
from webpairs_crawler.frontier.seeds import seeds_of
from webpairs_crawler.web.urls import canonical, host_of, registrable_domain

_NO_PAGE = re.compile(
    r"\.(?:7z|aac|apk|avi|avif|bin|bmp|bz2|css|csv|deb|dmg|docx?|eot|epub|exe|flac|gif|gz|ico|iso|"
    r"jar|jpe?g|js|json|m4[av]|mkv|mov|mp[34]|mpe?g|msi|og[agv]|otf|pdf|png|pptx?|psd|rar|rpm|svg|"
    r"tar|tgz|tiff?|ttf|txt|wasm|wav|webm|webp|wmv|woff2?|xlsx?|xml|xz|zip|zst)\Z",
    re.IGNORECASE,
)
"""Paths that are asked for as files: pages hardly ever end so."""
_ALL = "*"
_DOMAIN = re.compile(r"[^\s/?#@:*\[\]]+|\[[0-9A-Fa-f:.]+\]")
"""No URL, no port, no wildcard; an IPv6 address in brackets."""


class Scope:
    """The domains of a crawl. Raises RecipeError for an allowed domain that is none."""

    def __init__(self, plan: CrawlPlan) -> None:
        named: Iterable[str]
        if plan.allowed_domains:
            named = map(_domain, plan.allowed_domains)
        else:
            named = map(registrable_domain, seeds_of(plan))
        self._domains = frozenset(named)
        self._is_open = _ALL in self._domains

    def holds(self, url: str) -> bool:
        """Whether a canonical URL lies on an allowed domain (or below it)."""
        if self._is_open:
            return True
        host = host_of(url)
        if host in self._domains:
            return True
        labels = host.split(".")
        return any(".".join(labels[i:]) in self._domains for i in range(1, len(labels)))


def _domain(name: str) -> str:
    """A domain as URLs have it: lower case, in ASCII. A URL here would silently hold nothing."""
    written = name.strip().strip(".")
    if written == _ALL:
        return _ALL
    url = canonical(f"http://{written}/") if _DOMAIN.fullmatch(written) else None
    if url is None:
        raise RecipeError(
            f"crawl.allowed_domains holds {name!r}, which is no domain: write it like example.org, "
            'which stands for its sub-domains too, or "*" for all'
        )
    return host_of(url)


def may_be_page(url: str) -> bool:
    """Whether the path of a URL could name a page, not a picture, an archive or a program."""
    path = url.partition("?")[0]
    return not _NO_PAGE.search(unquote(path[-16:]))
