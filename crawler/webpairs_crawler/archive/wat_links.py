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

import msgspec

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
# Single blanks inside; no control characters, no `"` and `\` (JSON), no `&` (references). ASCII of
# that kind is in its normal form; whether other letters are is asked of those texts only.
_CLEAN_TEXT = rb"([!#-%'-\[\]-~\x80-\xff]++(?: [!#-%'-\[\]-~\x80-\xff]++)*+)"
# Latin, Greek (most), Cyrillic, dashes and quotation marks, Kana, Han, Hangul: none is a blank or
# dropped, and NFC neither changes one nor joins it to what stands before.
_CLEAN_LETTERS = re.compile(
    "[ -~\xa1-\xac\xae-\u017f\u0388-\u047f\u2010-\u2027\u3041-\u3096\u309b-\u30ff\u4e00-\u9fbf"
    "\uac00-\ud7a3]*+"
)


def _text_pattern(key: bytes) -> bytes:
    return rb'(?:, ?"' + key + rb'": ?"(?:' + _CLEAN_TEXT + rb'"|(' + _STRING + rb')"))?+'


# From the I on and then back: a single byte is what the engine searches quickest.
_IMAGE = re.compile(
    rb'I(?:(?<=\{"path":"I)|(?<=\{"path": "I))MG@/src"(?:, ?"url": ?"(?:'
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
_LENIENT = json.JSONDecoder(strict=False)
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
    """The pairs of cut links when one source is asked for: what nearly all time is spent in.

    Equal to `wat.pairs_of_images`, which is short; here nothing is called that need not be.
    """
    at = CUT_SOURCES[source]
    origin = origin_of(base).encode()
    folder = base.partition("?")[0].rpartition("/")[0].encode() + b"/"
    scheme = base.partition("//")[0].encode()
    sha256, keys, urls, texts = hashlib.sha256, [], [], []
    reasons: list[str] = []
    for groups in found:
        text = groups[at]
        if not text:
            if not groups[at + 1]:
                continue
            text = normal(groups[at + 1])
            if not text:
                continue
        elif not (text.isascii() or _is_clean(text)) or len(text) > TEXT_CHARS:
            text = normal(text)
            if not text:
                continue
        url = groups[0]
        if not url:
            reference = groups[1]
            if reference:
                url = (origin if reference[0] == _SLASH else folder) + reference
        elif url[0] == _SLASH:
            url = scheme + url
        # Dot segments, and names that the URL parser must check.
        if not url or b"/." in url or b"xn--" in url:
            joined = reference_urls(base, written_url(groups))
            if not joined.url:
                reasons.append(joined.reason)
                continue
            url = joined.url.encode()
        keys.append(sha256(url + b"\n" + text).digest()[:KEY_BYTES])  # as `PairRows.add`
        urls.append(url)
        texts.append(text)
    unpaired = dict(Counter(reasons)) if reasons else {}
    unpaired["no_text"] = len(found) - len(keys) - len(reasons)
    return PairRows(
        keys=keys,
        urls=urls,
        texts=texts,
        sources=[str(source)] * len(keys),
        n_images=len(found),
        unpaired={reason: n for reason, n in sorted(unpaired.items()) if n},
    )


def written_url(groups: Groups) -> str:
    """The URL of a cut link as written."""
    return json_string(groups[0] or groups[1] or groups[2])


def _is_clean(text: bytes) -> bool:
    """Whether a text of letters outside ASCII is known to be in its normal form."""
    return _CLEAN_LETTERS.fullmatch(text.decode("utf-8", "replace")) is not None


def normal(raw: bytes) -> bytes:
    """A cut text in its normal form."""
    return normalise_text(json_string(raw)[:TEXT_CHARS]).encode()


def json_string(raw: bytes) -> str:
    """What a JSON string holds, given without its quotation marks."""
    if b"\\" not in raw:
        return raw.decode("utf-8", "replace")
    quoted = b'"' + raw + b'"'
    try:
        return msgspec.json.decode(quoted, type=str)
    except msgspec.MsgspecError:  # halves of surrogate pairs, stray bytes, control characters
        text: str = _LENIENT.decode(quoted.decode("utf-8", "replace"))
        return text.encode("utf-8", "ignore").decode()
