"""SURT keys: a URL with its host turned round, so that an index holds a site's pages together."""

import re

from webpairs_crawler.web.urls import host_of

_WWW = re.compile(r"\Awww\d*\.(?=.)")


def surt(url: str) -> str:
    """The key of a canonical URL: `http://www.Example.org/A?b&a` gives `org,example)/a?a&b`.

    As the Internet Archive's canonicaliser does it: lower case, no `www.`, no trailing slash, query
    arguments sorted; a port that is not the scheme's stays.
    """
    _, _, rest = url.partition("://")
    authority, _, tail = rest.partition("/")
    host = host_of(url)
    port = authority[len(host) :]
    path, _, query = tail.partition("?")
    labels = host if host.startswith("[") else ",".join(reversed(_WWW.sub("", host).split(".")))
    key = f"{labels}{port})/{path.rstrip('/')}"
    if query:
        key += "?" + "&".join(sorted(query.split("&")))
    return key.lower()
