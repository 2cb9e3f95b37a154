"""Which URLs a crawl may follow.

Two URLs are one page only when they are equal in canonical form: `/x/` and `/x/index.html` stay two
pages, because nothing but the server knows whether they are one. Their pairs meet again in the
dedup stage.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from webpairs_crawler.frontier.plan import CrawlPlan
from webpairs_crawler.frontier.seeds import seeds_of
from webpairs_crawler.web.urls import host_of, registrable_domain

_NO_PAGE = re.compile(
    r"\.(?:7z|aac|apk|avi|avif|bin|bmp|bz2|css|csv|deb|dmg|docx?|eot|epub|exe|flac|gif|gz|ico|iso|"
    r"jar|jpe?g|js|json|m4[av]|mkv|mov|mp[34]|mpe?g|msi|og[agv]|otf|pdf|png|pptx?|psd|rar|rpm|svg|"
    r"tar|tgz|tiff?|ttf|txt|wasm|wav|webm|webp|wmv|woff2?|xlsx?|xml|xz|zip|zst)\Z",
    re.IGNORECASE,
)
"""Paths that are asked for as files: pages hardly ever end so."""


class Scope:
    """The domains of a crawl."""

    def __init__(self, plan: CrawlPlan) -> None:
        named: Iterable[str] = plan.allowed_domains or map(registrable_domain, seeds_of(plan))
        self._domains = frozenset(name.lower().strip(".") for name in named)
        self._is_open = "*" in self._domains

    def holds(self, url: str) -> bool:
        """Whether a canonical URL lies on an allowed domain (or below it)."""
        if self._is_open:
            return True
        host = host_of(url)
        if host in self._domains:
            return True
        labels = host.split(".")
        return any(".".join(labels[i:]) in self._domains for i in range(1, len(labels)))


def may_be_page(url: str) -> bool:
    """Whether the path of a URL could name a page, not a picture, an archive or a program."""
    path = url.partition("?")[0]
    return not _NO_PAGE.search(unquote(path[-16:]))
