"""The same crawl with Scrapy as it comes: parsel, LinkExtractor, an item for each pair.

Run by crawl_pages.py, as the line to compare ours with; all settings are Scrapy's defaults.
"""

from collections.abc import Iterator
from typing import Any

import scrapy
from scrapy.linkextractors import LinkExtractor


class StockSpider(scrapy.Spider):  # type: ignore[misc]
    name = "stock"
    custom_settings = {"LOG_FILE": "stock.log"}

    def __init__(self, seed: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_urls = [seed]
        self._links = LinkExtractor(allow=r"^http://127\.0\.0\.2:")

    def parse(self, response: Any) -> Iterator[Any]:
        for image in response.css("img[alt]"):
            text = image.attrib["alt"].strip()
            if text and image.attrib.get("src"):
                url = response.urljoin(image.attrib["src"])
                yield {"page": response.url, "url": url, "text": text}
        for link in self._links.extract_links(response):
            yield response.follow(link)
