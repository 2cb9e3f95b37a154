"""One Scrapy add-on that gives a spider what our own crawl stands on.

A frontier that survives kill -9, robots.txt and the other wishes of a site, the guard against
private addresses, bounds, and pages read into pairs. Our own spider gets all of it through this
same add-on. docs/own_spider.py shows somebody else's.

Settings: `WEBPAIRS_FRONTIER_DIR`, the folder that remembers the crawl, and `WEBPAIRS_CRAWL`, a dict
with fields of a recipe's `[crawl]` (contact, optout, per_host, private_networks ...).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from scrapy.downloadermiddlewares.httpproxy import HttpProxyMiddleware
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.http import Response

from webpairs_core.records import TextSource
from webpairs_crawler.live.politeness import Politeness, site_signals
from webpairs_crawler.live.settings_of import CRAWL, section_of
from webpairs_crawler.live.site_get import header_pairs
from webpairs_crawler.options import CrawlSection
from webpairs_crawler.page.extract import Page, PageSource, read_page

_HANDLER = "webpairs_crawler.live.http_handler.GuardedHandler"
_HANDLERS = {
    "http": _HANDLER,
    "https": _HANDLER,
    "data": None,
    "file": None,
    "ftp": None,
    "s3": None,
}
_FEED_FILE = "webpairs_crawler.live.feed_file.UnbufferedFile"
_REPLACED = (RetryMiddleware, RobotsTxtMiddleware, HttpProxyMiddleware)
"""Their work is done here; a proxy of the environment would hide addresses from the guard."""


class WebpairsAddon:
    """Put it into Scrapy's `ADDONS`."""

    def update_settings(self, settings: Any) -> None:
        """Called by Scrapy. What guards is set whatever the project says; what only has a
        default, the project may set otherwise. Raises RecipeError on a wrong `WEBPAIRS_CRAWL`."""
        section = section_of(settings)
        if settings.getpriority("USER_AGENT"):
            # Sites must be asked in the name that we give ourselves.
            section = msgspec.structs.replace(
                section, user_agent=settings["USER_AGENT"], contact=""
            )
        settings.set(CRAWL, section, "cmdline")
        settings.set("DOWNLOAD_HANDLERS", _HANDLERS, "cmdline")
        settings.set("SCHEDULER", "webpairs_crawler.live.scheduler.FrontierScheduler", "cmdline")
        settings.set_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", Politeness, 100)
        for middleware in _REPLACED:
            settings.set_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", middleware, None)
        for name, value in _defaults(section).items():
            settings.set(name, value, "addon")


def _defaults(section: CrawlSection) -> dict[str, object]:
    headers = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1"}
    if _is_mail_address(section.contact):
        headers["From"] = section.contact
    return {
        "USER_AGENT": section.agent,
        "DEFAULT_REQUEST_HEADERS": headers,
        "CONCURRENT_REQUESTS": section.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": section.per_host,
        # The frontier keeps the pace.
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_DELAY_JITTER": 0,
        "DOWNLOAD_TIMEOUT": section.timeout_s,
        "DOWNLOAD_MAXSIZE": section.max_page_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "FEED_STORAGES": {"": _FEED_FILE, "file": _FEED_FILE},
        # Both run code for whoever reaches their port.
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
    }


def _is_mail_address(contact: str) -> bool:
    """Whether the contact may stand in a From header (RFC 9110 §10.1.2), which holds mailboxes."""
    name, _, host = contact.partition("@")
    return bool(name and host) and not any(c in contact for c in " :/<>\r\n")


def page_of(response: Response, texts: Sequence[TextSource] = (TextSource.ALT,)) -> Page:
    """Read a response: its pairs, links, language, and the opt-out signals of page and site."""
    return read_page(response.body, source_of(response, texts))


def source_of(response: Response, texts: Sequence[TextSource]) -> PageSource:
    """What the extractor wants to know about a response."""
    return PageSource(
        url=response.url,
        headers=tuple(header_pairs(response)),
        texts=tuple(texts),
        agent=response.request.headers.get("User-Agent", b"").decode("latin-1"),
        fetched_at=datetime.now(UTC),
        signals=site_signals(response.request, "page"),
    )
