"""The live crawl: all that knows Scrapy."""
