"""A spider of your own on the crawler's parts: run it, kill it at any moment, run it again.

    scrapy runspider docs/own_spider.py -a seed=https://example.org/ -o pairs.jsonl

The add-on brings the frontier that survives the kill, robots.txt and the other wishes of each site,
the guard against private addresses, and `page_of`, which reads a response into pairs and links.
"""

import scrapy

from webpairs_crawler.live.addon import page_of


class OwnSpider(scrapy.Spider):
    """Collects the pairs of a site."""

    name = "own"
    custom_settings = {
        "ADDONS": {"webpairs_crawler.live.addon.WebpairsAddon": 100},
        "WEBPAIRS_FRONTIER_DIR": "own-spider-frontier",
        "WEBPAIRS_CRAWL": {"contact": "https://example.org/about-my-crawler"},
    }

    async def start(self):
        """Begin with the seed; after a kill it counts as seen."""
        yield scrapy.Request(self.seed)

    def parse(self, response):
        """Take the pairs of a page and follow its links."""
        page = page_of(response)
        for pair in page.pairs:
            yield {"page": response.url, "image": pair.url, "text": pair.text}
        for link in page.links:
            yield response.follow(link)
