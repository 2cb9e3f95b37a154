"""From the recipe's `[crawl]` section to Scrapy's settings: the add-on, and nothing more than our
own spider needs."""

from importlib.util import find_spec
from typing import Any

from scrapy.logformatter import LogFormatter

from webpairs_crawler.live.settings_of import CRAWL
from webpairs_crawler.options import CrawlSection

_MIDDLEWARES = {
    "scrapy.downloadermiddlewares.downloadtimeout.DownloadTimeoutMiddleware": 350,
    "scrapy.downloadermiddlewares.defaultheaders.DefaultHeadersMiddleware": 400,
    "scrapy.downloadermiddlewares.useragent.UserAgentMiddleware": 500,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": 590,
}
"""All that run beside the add-on's: no cookies, no referer, no redirects (the frontier follows
them), no meta refresh."""


class QuietFormatter(LogFormatter):  # type: ignore[misc]
    """Writes no line for each page: formatting them costs a millisecond of CPU a page."""

    def crawled(self, *_: Any) -> None:
        """No line."""


def scrapy_settings(section: CrawlSection) -> dict[str, Any]:
    """The settings of one crawl."""
    return {
        "ADDONS": {"webpairs_crawler.live.addon.WebpairsAddon": 100},
        CRAWL: section,
        "DOWNLOADER_MIDDLEWARES_BASE": _MIDDLEWARES,
        "SPIDER_MIDDLEWARES_BASE": {},
        "EXTENSIONS_BASE": {},
        "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
        "LOG_ENABLED": False,
        "LOG_FORMATTER": "webpairs_crawler.live.scrapy_settings.QuietFormatter",
        # Scrapy starts so many tasks for the items of each page, and there are none: half a
        # millisecond of CPU.
        "CONCURRENT_ITEMS": 1,
        # 9 to 26 % less CPU for each page; the event loop of Python where it is not installed.
        "ASYNCIO_EVENT_LOOP": "uvloop.Loop" if find_spec("uvloop") else None,
    }
