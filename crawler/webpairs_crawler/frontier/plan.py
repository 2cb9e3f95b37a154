"""What a frontier is told and what it tells: the plan of a crawl, an ask, an answer.

Plain frozen records, so that a process, a test and somebody else's spider can all make them.
"""

from typing import Final, Literal

import msgspec

MAX_REDIRECTS = 5
"""Hops from a page that was asked for (RFC 9309 asks the same of robots.txt)."""
MAX_NESTED_SITEMAPS = 3
"""How deep sitemap indexes may nest. sitemaps.org allows one level; real sites use two."""
MAX_SITEMAPS_PER_HOST = 50
"""Sitemap files asked of one host: one may name 50,000 pages (sitemaps.org)."""
REDIRECT = "redirect"
"""The outcome of a page whose only link is where it redirects to."""
PAGE: Final = "page"
SITEMAP: Final = "sitemap"

Kind = Literal["page", "sitemap"]


class CrawlPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a crawl and sets its pace."""

    seeds: tuple[str, ...]
    """URLs to start from."""
    seeds_file: str = ""
    """A text file with more of them, one a line; # starts a comment."""
    max_pages: int
    """Pages asked for, whatever comes of them; sitemaps are not counted."""
    max_depth: int
    """Links from a seed."""
    allowed_domains: tuple[str, ...]
    """As in the recipe: empty stands for the registrable domains of the seeds, "*" for all."""
    per_host: int
    """Pages of one host that may be asked for at the same time."""
    order: Literal["levels", "free"] = "levels"
    """levels: wave by wave, the same pages every time; free: no host waits for another."""
    delay_s: float = 0.0
    """Pause between two asks of one host, at least."""
    autothrottle: bool = True
    """Lengthen the pause to what the host's answers take."""
    retries: int = 2
    """How often who asks may put a page back after a fault that can heal."""


class Ask(msgspec.Struct, frozen=True):
    """A page or sitemap to ask for."""

    id: int
    """Names the ask when it is answered or put back."""
    url: str
    depth: int
    hop: int
    """Redirects (of a sitemap also: indexes) that led here from a page of this depth."""
    kind: Kind
    attempts: int
    """How often it was put back."""
    payload: bytes
    """What `Frontier.add` was given to keep with the URL."""


class Answer(msgspec.Struct, frozen=True):
    """What became of an ask."""

    outcome: str
    """Only `REDIRECT` changes what the frontier does."""
    links: tuple[str, ...]
    """Canonical URLs of pages; of a redirect: its target."""
    sitemaps: tuple[str, ...] = ()
    """Of a sitemap: the nested ones. Of a page: those that its host's robots.txt names."""
    record: bytes = b""
    """Kept until `Frontier.drop_records`; nothing is kept when empty."""
