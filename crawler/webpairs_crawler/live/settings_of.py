"""What the add-on reads from Scrapy's settings."""

from pathlib import Path
from typing import Any

import msgspec

from webpairs_core.errors import RecipeError
from webpairs_crawler.options import CrawlSection

CRAWL = "WEBPAIRS_CRAWL"
"""A dict with fields of a recipe's `[crawl]` section: contact, optout, private_networks ..."""
FRONTIER_DIR = "WEBPAIRS_FRONTIER_DIR"
"""The folder that remembers a crawl."""


def section_of(settings: Any) -> CrawlSection:
    """The `[crawl]` section that the settings hold. Raises RecipeError on a wrong field."""
    held = settings.get(CRAWL)
    if isinstance(held, CrawlSection):
        return held
    try:
        section = msgspec.convert(settings.getdict(CRAWL), CrawlSection)
    except (msgspec.ValidationError, ValueError) as error:
        raise RecipeError(f"the Scrapy setting {CRAWL} is not valid: {error}") from None
    return section


def frontier_dir_of(settings: Any) -> Path:
    """Where the frontier lies. Raises RecipeError when nobody said."""
    folder = settings.get(FRONTIER_DIR)
    if not folder:
        raise RecipeError(
            f"the Scrapy setting {FRONTIER_DIR} is missing: name the folder that shall remember "
            "this crawl"
        )
    return Path(folder)
