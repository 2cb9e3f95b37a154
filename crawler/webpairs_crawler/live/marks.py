"""What we write into the `meta` of Scrapy's requests: one place for the names."""

from scrapy.http import Request

ASK = "webpairs_ask"
"""The frontier's `Ask` that a request was made for."""
SITE = "webpairs_site"
"""The `Site` that let the request pass."""
REPEAT_AFTER_S = "webpairs_repeat_after_s"
"""On a copy of a request: put its ask back, to be asked again after so many seconds."""
SITE_FILE = "webpairs_site_file"
"""On our own requests for robots.txt and the like: the most bytes of the body that are read."""

_OURS = frozenset({ASK, SITE, REPEAT_AFTER_S, SITE_FILE})


def without_marks(meta: dict[str, object]) -> dict[str, object]:
    """A request's meta without what is ours: people pass `response.meta` on."""
    return {name: value for name, value in meta.items() if name not in _OURS}


def is_site_file(request: Request) -> bool:
    """Whether this is a request of our own, which no gate may stop."""
    return SITE_FILE in request.meta
