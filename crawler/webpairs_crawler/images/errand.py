"""What is wanted of one URL, and how far it has got."""

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from webpairs_crawler.images.answers import Fetched
from webpairs_crawler.optout.site import Where
from webpairs_crawler.web import urls

Method = Literal["GET", "HEAD"]
Use = Callable[[Fetched], Awaitable[None]]
"""What the caller does with the result; until it has, its place among `concurrency` is held."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request."""

    where: Where | None
    """None: a file that says what may be fetched, which needs nobody's leave itself."""
    method: Method = "GET"
    max_bytes: int = 0
    """Of the body; 0: the headers are enough."""
    etag: str = ""
    """Of what is known already: the server need not send it again (RFC 9110 §13.1.2)."""
    last_modified: str = ""

    def headers(self) -> dict[str, str]:
        """The request's own headers."""
        is_image = self.where == "image"
        accept = "image/avif,image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8"
        headers = {"Accept": accept if is_image else "*/*"}
        # What a server once sent may hold what no request may (RFC 9110 §5.5: control characters).
        if self.etag and self.etag.isprintable():
            headers["If-None-Match"] = self.etag
        elif self.last_modified and self.last_modified.isprintable():
            headers["If-Modified-Since"] = self.last_modified
        return headers


class Errand(msgspec.Struct, kw_only=True):
    """A URL on its way to a result. Changed in place: while one request is made, or waiting."""

    start: str
    """Canonical."""
    wanted: Wanted
    use: Use | None
    """None: who waits for it takes the result, without any queue."""
    url: str = ""
    """Where the redirects have led so far."""
    n_attempts: int = 0
    n_hops: int = 0
    """Redirects followed in this attempt."""
    used_s: float = 0.0
    """Time spent on requests in this attempt."""
    failed: Fetched | None = None
    """How the last attempt failed, when there is to be another."""
    signals: frozenset[str] = frozenset()
    """Opt-out signals of the sites on the way."""

    def __post_init__(self) -> None:
        self.url = self.start

    @property
    def host(self) -> str:
        """Whose slot the next request takes."""
        return urls.host_of(self.url)

    @property
    def origin(self) -> str:
        """Whose robots.txt speaks for the next request."""
        return urls.origin_of(self.url)

    def follow(self, url: str) -> None:
        """Go where a redirect leads."""
        self.url = url
        self.n_hops += 1

    def start_over(self, failed: Fetched) -> None:
        """Begin another attempt."""
        self.failed = failed
        self.url, self.n_hops, self.used_s, self.signals = self.start, 0, 0.0, frozenset()
