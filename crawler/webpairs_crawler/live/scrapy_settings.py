"""From the recipe's `[crawl]` section to Scrapy's settings, all in one place."""

from typing import Any

from scrapy.logformatter import LogFormatter

from webpairs_crawler.live.resolver import PRIVATE_NETWORKS
from webpairs_crawler.options import CrawlSection

_MIDDLEWARES = {
    "webpairs_crawler.live.robots_gate.RobotsGate": 100,
    "scrapy.downloadermiddlewares.downloadtimeout.DownloadTimeoutMiddleware": 350,
    "scrapy.downloadermiddlewares.defaultheaders.DefaultHeadersMiddleware": 400,
    "scrapy.downloadermiddlewares.useragent.UserAgentMiddleware": 500,
    "scrapy.downloadermiddlewares.retry.RetryMiddleware": 550,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": 590,
}
"""All that run: no cookies, no referer, no proxy of the environment (it would hide addresses from
the guard), no redirects (the frontier follows them), no meta refresh."""


class QuietFormatter(LogFormatter):  # type: ignore[misc]
    """Writes no line for each page: formatting them costs a millisecond of CPU a page."""

    def crawled(self, *_: Any) -> None:
        """No line."""


def scrapy_settings(section: CrawlSection) -> dict[str, Any]:
    """The settings of one crawl."""
    return {
        "USER_AGENT": section.agent,
        "DEFAULT_REQUEST_HEADERS": {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1"},
        "CONCURRENT_REQUESTS": section.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": section.per_host,
        "DOWNLOAD_DELAY": section.delay_s,
        "DOWNLOAD_DELAY_JITTER": 0,
        "DOWNLOAD_TIMEOUT": section.timeout_s,
        "DOWNLOAD_MAXSIZE": section.max_page_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "RETRY_TIMES": section.retries,
        "SCHEDULER": "webpairs_crawler.live.spider.FrontierScheduler",
        "DOWNLOADER_MIDDLEWARES_BASE": _MIDDLEWARES,
        "SPIDER_MIDDLEWARES_BASE": {},
        "EXTENSIONS_BASE": {},
        "DOWNLOAD_HANDLERS": {"data": None, "file": None, "ftp": None, "s3": None},
        "TWISTED_DNS_RESOLVER": "webpairs_crawler.live.resolver.GuardedResolver",
        PRIVATE_NETWORKS: list(section.private_networks),
        "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
        "LOG_ENABLED": False,
        "LOG_FORMATTER": "webpairs_crawler.live.scrapy_settings.QuietFormatter",
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
    }
