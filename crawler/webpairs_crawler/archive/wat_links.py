"""The image links of a WAT record, cut out of its bytes.

A page of Common Crawl has some 150 links, a sixth of them images, and to make objects of all of
them is most of what other readers spend. So one regular expression walks over the bytes, matches
image links only, and says on the way which URLs and texts are in their final form already: the
characters that it must look at anyway decide that. JSON strings make the cut safe: a quotation mark
inside a string is always escaped, so `{"path":"IMG@/src"` can only be the start of an object. What
the expression cannot read as a whole (other keys, another order) is left to the JSON parser.
"""

import hashlib
import json
import re
from collections import Counter

from webpairs_core.keys import KEY_BYTES
from webpairs_core.records import TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.archive.columns import PairRows
from webpairs_crawler.page.candidates import reference_urls
from webpairs_crawler.page.texts import TEXT_CHARS
from webpairs_crawler.web.urls import origin_of

Groups = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
"""An image link as cut: clean URL, clean reference, any URL, clean alt, any alt, clean title, any
title, misfit. Of the three URLs one is not empty at most; so it is with both alts and titles."""

CUT_SOURCES = {TextSource.ALT: 3, TextSource.TITLE: 5}
"""Texts that stand in an image link itself, and their place in it; others need the whole record."""

_STRING = rb'(?:[^"\\]++|\\.)*+'
# Left as they are by the URL parser in any path or query. No percent sign: %2e is a dot segment.
_CLEAN = rb"[A-Za-z0-9/_.~!$&()*+,;=:@?-]*+"
_CLEAN_URL = rb"((?:https?:)?//(?:[a-z0-9-]+\.)++[a-z]{2,}/" + _CLEAN + rb")"
# From the root, or with a first segment that cannot be a scheme.
_CLEAN_REFERENCE = rb"((?:/(?!/)|[A-Za-z0-9_-]++[./])" + _CLEAN + rb")"
# Printable ASCII with single blanks inside: no `"` and `\` (JSON), no `&` (references).
_CLEAN_TEXT = rb"([!#-%'-\[\]-~]++(?: [!#-%'-\[\]-~]++)*+)"


def _text_pattern(key: bytes) -> bytes:
    return rb'(?:, ?"' + key + rb'": ?"(?:' + _CLEAN_TEXT + rb'"|(' + _STRING + rb')"))?+'


_IMAGE = re.compile(
    rb'\{"path": ?"IMG@/src"(?:, ?"url": ?"(?:'
    + _CLEAN_URL
    + rb'"|'
    + _CLEAN_REFERENCE
    + rb'"|('
    + _STRING
    + rb')")'
    + _text_pattern(b"alt")
    + _text_pattern(b"title")
    + rb"\}|(.))",
    re.DOTALL,
)
_SLASH = ord("/")
_FIRST = re.compile(rb'\s*\[\s*(?:\]|\{"path": ?"[A-Za-z]+@/)')
"""How Links begin where writers put the path first and leave its slash alone."""


def cut_links(body: bytes, links: tuple[int, int]) -> list[Groups] | None:
    """The image links in `body[links[0]:links[1]]`, a JSON array; None when it cannot be cut."""
    if not _FIRST.match(body, *links):
        return None
    found: list[Groups] = _IMAGE.findall(body, *links)
    return None if any(groups[7] for groups in found) else found


def pairs_of_one_source(found: list[Groups], base: str, source: TextSource) -> PairRows:
    """The pairs of cut links when one source is asked for: what nearly all time is spent in."""
    rows = PairRows(n_images=len(found))
    unpaired: Counter[str] = Counter()
    joiner = Joiner(base)
    at = CUT_SOURCES[source]
    sha256, keys, urls, texts = hashlib.sha256, rows.keys, rows.urls, rows.texts
    for groups in found:
        text = groups[at]
        if not text or len(text) > TEXT_CHARS:
            text = normal(groups, at).encode() if text or groups[at + 1] else b""
            if not text:
                unpaired["no_text"] += 1
                continue
        url = groups[0]
        if not url or url[0] == _SLASH or b"/." in url or b"xn--" in url:
            url = joiner.join(groups)
            if not url:
                unpaired[reference_urls(base, written_url(groups)).reason] += 1
                continue
        # As PairRows.add, without the call.
        keys.append(sha256(url + b"\n" + text).digest()[:KEY_BYTES])
        urls.append(url)
        texts.append(text)
    rows.sources = [str(source)] * len(keys)
    rows.unpaired = dict(unpaired)
    return rows


class Joiner:
    """Joins the URLs of cut links to the base of a page, as `web.urls.join` does.

    What was cut as clean needs no URL parser, unless it has dot segments or a name in punycode.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._scheme = base.partition("//")[0].encode()
        self._origin = origin_of(base).encode()
        self._folder = base.partition("?")[0].rpartition("/")[0].encode() + b"/"

    def join(self, groups: Groups) -> bytes:
        """The absolute URL of a cut link; empty when it has none."""
        url, reference = groups[0], groups[1]
        if reference:
            url = (self._origin if reference[0] == _SLASH else self._folder) + reference
        elif url and url[0] == _SLASH:
            url = self._scheme + url
        if url and b"/." not in url and b"xn--" not in url:
            return url
        return reference_urls(self._base, written_url(groups)).url.encode()


def written_url(groups: Groups) -> str:
    """The URL of a cut link as written."""
    return json_string(groups[0] or groups[1] or groups[2])


def normal(groups: Groups, at: int) -> str:
    """The alt or title at this place of a cut link, in its normal form."""
    return normalise_text(json_string(groups[at] or groups[at + 1])[:TEXT_CHARS])


def json_string(raw: bytes) -> str:
    """What a JSON string holds, given without its quotation marks."""
    if b"\\" not in raw:
        return raw.decode("utf-8", "replace")
    text: str = json.loads(b'"' + raw + b'"', strict=False)
    return text.encode("utf-8", "ignore").decode()  # without halves of surrogate pairs
