"""Where a crawl starts: the URLs of the recipe, then the lines of a file.

The file may have millions of lines: it is read as a stream wherever it is needed, never kept.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from webpairs_core.errors import RecipeError
from webpairs_crawler.frontier.plan import CrawlPlan
from webpairs_crawler.web.urls import canonical

_COMMENT = re.compile(r"(?:^|\s)#")


def seeds_of(plan: CrawlPlan) -> Iterator[str]:
    """Canonical URLs in the order written; repeats are passed on.

    Raises RecipeError for what is no http(s) URL and for a file that cannot be read.
    """
    for written in _written(plan):
        url = canonical(written)
        if url is None:
            raise RecipeError(
                f"the seed {written!r} is no http(s) URL: write it like https://example.org/"
            )
        yield url


def _written(plan: CrawlPlan) -> Iterator[str]:
    yield from plan.seeds
    if not plan.seeds_file:
        return
    try:
        with Path(plan.seeds_file).open(encoding="utf-8-sig") as lines:
            for line in lines:
                # A # after a letter is a fragment; after a space it can only be a comment.
                if seed := _COMMENT.split(line, 1)[0].strip():
                    yield seed
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"crawl.seeds_file {plan.seeds_file} cannot be read: {error}") from None
