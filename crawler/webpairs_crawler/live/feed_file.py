"""Scrapy's feed files, written item by item.

Scrapy's own hold items in a buffer that dies with the process: the frontier would know their pages
as done, and nobody would have the items.
"""

from io import FileIO
from pathlib import Path
from typing import BinaryIO

from scrapy.extensions.feedexport import FileFeedStorage
from scrapy.spiders import Spider


class UnbufferedFile(FileFeedStorage):  # type: ignore[misc]
    """The storage of `-o pairs.jsonl`: an item that was scraped is in the file."""

    def open(self, spider: Spider) -> BinaryIO:
        """Called by Scrapy. The file is appended to, unless the feed says `overwrite`."""
        del spider
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileIO(path, self.write_mode)
