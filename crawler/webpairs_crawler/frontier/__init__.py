"""Which page is asked for next, kept on disk. Knows no Scrapy."""
