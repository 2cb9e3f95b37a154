"""The recipe sections of the crawler: `[crawl]` for pages, `[fetch]` for images."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from webpairs_core import __version__

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
CrawledText = Literal[
    "alt",
    "figcaption",
    "caption_class",
    "title",
    "aria",
    "data_attr",
    "json_ld",
    "og",
    "og_title",
    "anchor",
]
OptoutPolicy = Literal["strict", "default", "report"]
SiteFile = Literal["tdmrep", "rsl", "ai_txt", "trust_txt"]
AI_AGENTS = (
    "AI2Bot",
    "anthropic-ai",
    "Applebot-Extended",
    "Bytespider",
    "CCBot",
    "ClaudeBot",
    "cohere-training-data-crawler",
    "Google-Extended",
    "GPTBot",
    "img2dataset",
    "LAIONDownloader",
    "Meta-ExternalAgent",
)
"""Crawlers that collect training data: a site that names one of them speaks of our use too."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Image URLs, with or without texts, that somebody else collected."""

    path: str
    """A file, a glob or a URL: .parquet, .csv, .tsv, .jsonl or .txt (one URL a line)."""
    url: str = "url"
    """The column of the image URL."""
    text: str = ""
    """The column of the text; empty: the rows have none."""


class CrawlSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which pages are read, how politely, and which of their texts become pairs."""

    seeds: tuple[str, ...] = ()
    """URLs to start from."""
    seeds_file: str = ""
    """A text file with one URL a line; # at the start or after a space begins a comment."""
    warc: tuple[str, ...] = ()
    """WARC, ARC and WAT files (globs, http(s) or s3 URLs), or .paths.gz listings of them."""
    tables: tuple[Table, ...] = ()
    """Lists made elsewhere, whose rows become pairs as they are."""
    max_pages: Count = 1000
    max_depth: Annotated[int, Meta(ge=0)] = 5
    """Links from a seed; 0 reads the seeds only."""
    allowed_domains: tuple[str, ...] = ()
    """Hosts (and their sub-domains) that may be followed; empty: the seeds' registrable domains
    (of www.example.org that is example.org); "*": all."""
    order: Literal["levels", "free"] = "levels"
    """levels: all pages of a depth before the next, so which pages are read never depends on
    timing; free: no host waits for another, for broad crawls."""
    sitemaps: bool = True
    """Read the sitemaps that the robots.txt of the seeds' hosts name."""
    texts: Annotated[tuple[CrawledText, ...], Meta(min_length=1)] = ("alt",)
    """Each text source here makes a pair of its own."""
    user_agent: str = f"webpairs/{__version__}"
    contact: str = ""
    """A URL or mail address, added to the User-Agent so that a site owner can complain."""
    private_networks: tuple[str, ...] = ()
    """CIDR networks that may be reached although they are private, e.g. 127.0.0.0/8."""
    optout: OptoutPolicy = "default"
    """`default`: a signal that forbids training drops the pair; `strict`: noindex does too;
    `report`: signals are only recorded."""
    ai_agents: tuple[str, ...] = AI_AGENTS
    """Agents whose prohibition in a robots.txt counts as an opt-out."""
    site_files: tuple[SiteFile, ...] = ("tdmrep", "rsl")
    """Opt-out files that are asked of each site, beside robots.txt."""
    concurrency: Count = 16
    per_host: Count = 4
    """Simultaneous page requests to one host."""
    delay_s: Annotated[float, Meta(ge=0)] = 0.0
    """Pause between page requests to one host, at least."""
    autothrottle: bool = True
    """Lengthen the pause to what the host's answers take."""
    timeout_s: Seconds = 20.0
    max_page_bytes: Count = 8_388_608
    retries: Annotated[int, Meta(ge=0, le=10)] = 2
    pages_per_part: Count = 200
    """A part is committed when it holds this many pages."""
    warc_out: bool = False
    """Keep what was read as WARC files, so that it can be extracted again without asking."""

    @property
    def agent(self) -> str:
        """The User-Agent header."""
        return f"{self.user_agent} (+{self.contact})" if self.contact else self.user_agent


class HostBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the hosts of one pattern may be asked: content networks bear more than other hosts."""

    match: Annotated[str, Meta(pattern=r"^[^/:@\s]+$")]
    """Host names without scheme and port, with * for any characters: "*.staticflickr.com"."""
    per_host: Count = 2
    """Simultaneous requests to one such host."""
    delay_s: Annotated[float, Meta(ge=0)] = 0.0


class FetchSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How images are downloaded."""

    concurrency: Count = 64
    """Images in hand at a time, downloads and decoding together."""
    per_host: Count = 2
    """Simultaneous requests to one host name; the first request to a host is always alone."""
    delay_s: Annotated[float, Meta(ge=0)] = 0.0
    """Pause between two requests to one host, at least; a Crawl-delay may ask for more."""
    hosts: tuple[HostBudget, ...] = ()
    """Other budgets for some hosts; the first pattern that matches counts."""
    max_per_s: Annotated[float, Meta(ge=0)] = 0.0
    """Requests for images per second, to all hosts together; 0: no limit."""
    timeout_s: Seconds = 20.0
    """For one attempt with its redirects, to the last byte; waiting for a busy host not counted."""
    connect_timeout_s: Seconds = 10.0
    """For name, connection and TLS of one request."""
    max_bytes: Count = 20_000_000
    retries: Annotated[int, Meta(ge=0, le=10)] = 2
    """Repeats after what can heal: dns, connect, timeout, slow, protocol, http_5xx, 429."""
    host_down_after: Count = 10
    """Failures in a row after which a host is given up; when it cannot be connected to at all,
    one image's attempts are enough. Its other rows get the outcome host_down at once."""
    known: str = ""
    """The OUT of a finished run: what its servers say has not changed since is taken from there."""
    warn_below: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Warn, with the likeliest reason, when a smaller share of the images succeeds."""
    rows_per_part: Count = 1000
    """Candidates in a part."""
