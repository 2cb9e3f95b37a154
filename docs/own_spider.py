"""A spider of your own on the crawler's parts: run it, kill it at any moment, run it again.

    scrapy runspider docs/own_spider.py -a seed=https://example.org/ -o pairs.jsonl

The add-on brings the frontier that survives the kill, robots.txt and the other wishes of each site,
the guard against private addresses, and `page_of`, which reads a response into pairs and links.
What a page itself says (noai in a meta tag) is known when it is read: `forbids` judges that. The
folder of the frontier remembers what was asked: delete it to begin again. On a network of your own
the guard wants leave: add "private_networks": ["127.0.0.0/8"] to WEBPAIRS_CRAWL.
"""

import scrapy

from webpairs_crawler.live.addon import page_of
from webpairs_crawler.optout.signals import forbids


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
            if not forbids(pair.optout, "default"):
                yield {"page": response.url, "image": pair.url, "text": pair.text}
        yield from response.follow_all(page.links)
