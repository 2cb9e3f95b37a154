"""URLs as the WHATWG standard reads them: joined, in canonical form, with their registrable domain.

ada-url and not `urllib.parse`: the latter is right on 22 % of the standard's own web-relevant cases
(research of this project), and a wrong join is an image that is never found.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

import ada_url

MAX_CHARACTERS = 8_192
"""Of a URL; a longer one is none. Servers refuse it (RFC 9110 §4.1 asks for 8,000 octets), and the
rules of a robots.txt can be made to take a minute on one of a million."""
_SCHEMES = ("http://", "https://")
_PATH = "[A-Za-z0-9_.~!$&()*+,;=@%/{}-]*+(?:\\?[A-Za-z0-9_.~!$&()*+,;=:@%/?-]*+)?"
# What the standard leaves as it is: nearly all references on real pages; to see it costs a tenth of
# a parse. The host ends in letters, so it is no IPv4 address in disguise; no character is one that
# the standard would encode or drop. A property test holds this equal to ada.
_PLAIN = re.compile(
    r"(?:((?:https?:)?//(?:[a-z0-9-]++\.)+[a-z]{2,}+(?=/))?(/(?!/)"
    + _PATH.format(":")
    + ")|([A-Za-z0-9_]"
    + _PATH.format("")
    + r"))(?:#|\Z)"
)
_ENCODED_DOT = re.compile("%2[eE]")


def join(base: str, href: str) -> str | None:
    """The absolute http(s) URL of a reference on a page, without fragment and credentials.

    None when it is empty, malformed, longer than `MAX_CHARACTERS` or of another scheme (data:,
    javascript:, mailto: ...).
    """
    return _join(base, _parts(base), href)


def join_all(base: str, hrefs: Iterable[str]) -> list[str | None]:
    """`join` of many references on one page, in order."""
    parts = _parts(base)
    return [_join(base, parts, href) for href in hrefs]


def canonical(url: str) -> str | None:
    """The WHATWG serialisation of an absolute http(s) URL; None as in `join`."""
    if url.startswith(_SCHEMES) and (plain := _plain(url, MAX_CHARACTERS)):
        return plain[1] + plain[2]
    try:
        return _web_only(ada_url.normalize_url(url))
    except (ValueError, UnicodeError):
        return None


def host_of(url: str) -> str:
    """The host of a canonical URL: lower case, without port; an IPv6 literal keeps its brackets."""
    authority = url.split("/", 3)[2]
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


def origin_of(url: str) -> str:
    """Scheme, host and port of a canonical URL (RFC 6454): what one robots.txt speaks for."""
    scheme, _, authority = url.split("/", 3)[:3]
    return f"{scheme}//{authority}"


def _join(base: str, parts: tuple[str, str, str], href: str) -> str | None:
    scheme, origin, folder = parts
    plain = _plain(href, MAX_CHARACTERS - len(base)) if origin else None
    if plain is None:
        return _joined(base, href)
    host, path, relative = plain.groups()
    if relative is not None:
        return folder + relative
    if host is None:
        return origin + path
    return host + path if host[0] == "h" else scheme + host + path


def _plain(href: str, max_characters: int) -> re.Match[str] | None:
    """What a reference consists of; None when the standard might write it in another way."""
    if len(href) > max_characters:
        return None
    plain = _PLAIN.match(href)
    # Segments of dots, written out or encoded, and names in Punycode are not plain.
    if plain is None or "/." in href or "xn--" in href:
        return None
    return None if "%2" in href and _ENCODED_DOT.search(href) is not None else plain


@lru_cache(maxsize=1024)
def _parts(base: str) -> tuple[str, str, str]:
    """Of a base URL the scheme (with its colon), the origin, and all up to its last slash.

    Canonical; all empty when it is no http(s) URL.
    """
    url = canonical(base)
    if url is None:
        return "", "", ""
    path = url.partition("?")[0]
    return url.partition("//")[0], origin_of(url), path[: path.rindex("/") + 1]


@lru_cache(maxsize=65_536)
def registrable_domain(url_or_host: str) -> str:
    """The domain that one owner holds: `a.b.example.co.uk` gives `example.co.uk`.

    An IP address (with IPv6 in brackets) and a name without a public suffix are their own domain.
    Private suffixes count (publicsuffix.org): two users of github.io are two owners.
    """
    host = host_of(url_or_host) if "://" in url_or_host else url_or_host
    host = host.rstrip(".").lower()
    if host.startswith("["):
        return host
    domain: str = _suffixes()(host).top_domain_under_public_suffix
    return domain or host


@cache
def _suffixes() -> Any:
    import tldextract  # and requests with it: a tenth of a second that the fetch need not pay

    # No URLs and no cache folder: the list that came with the package, never the network.
    return tldextract.TLDExtract(
        suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True
    )


def _joined(base: str, href: str) -> str | None:
    """The same by ada."""
    try:
        joined = ada_url.join_url(base, href)
    except (ValueError, UnicodeError):
        return None
    return _web_only(joined)


def _web_only(href: str) -> str | None:
    if not href.startswith(_SCHEMES):
        return None
    href = href.partition("#")[0]
    if len(href) > MAX_CHARACTERS:
        return None
    authority = href.split("/", 3)[2]
    if "@" in authority:
        bare = authority.rpartition("@")[2]
        href = href.replace(authority, bare, 1)
    if "xn--" in authority and not all(map(_is_readable, host_of(href).split("."))):
        return None
    return href


def _is_readable(label: str) -> bool:
    """Whether a label of a host is none in Punycode, or one that stands for a name it can.

    ada lets through what UTS 46 refuses: Punycode (RFC 3492) that stands for nothing, or for
    characters that a name in Unicode would never keep.
    """
    if not label.startswith("xn--"):
        return True
    try:
        name = label[4:].encode("ascii").decode("punycode")
        return not name.isascii() and ada_url.idna_to_ascii(name) == label.encode("ascii")
    except (ValueError, OverflowError):
        return False
