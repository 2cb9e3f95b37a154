"""The image links of a WAT record, cut out of its bytes.

A page of Common Crawl has some 150 links, a sixth of them images, and to make objects of all of
them is most of what other readers spend. So one regular expression walks over the bytes, matches
image links only, and says on the way which URLs and texts are in their final form already: the
characters that it must look at anyway decide that. JSON strings make the cut safe: a quotation mark
inside a string is always escaped, so `{"path":"IMG@/src"` can only be the start of an object. What
the expression cannot read as a whole (other keys, another order) is left to the JSON parser.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence

from webpairs_core.records import TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.archive.columns import PairRows
from webpairs_crawler.page.candidates import reference_urls
from webpairs_crawler.page.texts import TEXT_CHARS
from webpairs_crawler.web.urls import origin_of

CUT_SOURCES = frozenset([TextSource.ALT, TextSource.TITLE])
"""Texts that stand in an image link itself; all others need the parsed record."""

_STRING = rb'(?:[^"\\]++|\\.)*+'
# Left as they are by the URL parser in any path or query. No percent sign: %2e is a dot segment.
_CLEAN = rb"[A-Za-z0-9/_.~!$&()*+,;=:@?-]*+"
_CLEAN_URL = rb"(https?://(?:[a-z0-9-]+\.)++[a-z]{2,}/" + _CLEAN + rb")"
_CLEAN_PATH = rb"(/(?!/)" + _CLEAN + rb")"
# Printable ASCII with single blanks inside: no `"` and `\` (JSON), no `&` (references).
_CLEAN_TEXT = rb"([!#-%'-\[\]-~]++(?: [!#-%'-\[\]-~]++)*+)"


def _text_pattern(key: bytes) -> bytes:
    return rb'(?:, ?"' + key + rb'": ?"(?:' + _CLEAN_TEXT + rb'"|(' + _STRING + rb')"))?+'


_IMAGE = re.compile(
    rb'\{"path": ?"IMG@/src"(?:, ?"url": ?"(?:'
    + _CLEAN_URL
    + rb'"|'
    + _CLEAN_PATH
    + rb'"|('
    + _STRING
    + rb')")'
    + _text_pattern(b"alt")
    + _text_pattern(b"title")
    + rb"\}|(.))",
    re.DOTALL,
)
"""Groups: clean URL, clean path, any URL, clean alt, any alt, clean title, any title, misfit."""
_FIRST = re.compile(rb'\s*\[\s*(?:\]|\{"path": ?"[A-Za-z]+@/)')
"""How Links begin where writers put the path first and leave its slash alone."""


def cut_images(
    body: bytes, links: tuple[int, int], base: str, sources: Sequence[TextSource]
) -> PairRows | None:
    """The pairs of the image links in `body[links[0]:links[1]]`, a JSON array.

    `base` is the canonical URL they are joined to; `sources` are some of `CUT_SOURCES`. None: this
    layout is not one that can be cut.
    """
    if not _FIRST.match(body, *links):
        return None
    found = _IMAGE.findall(body, *links)
    rows = PairRows(n_images=len(found))
    unpaired: Counter[str] = Counter()
    origin = origin_of(base).encode()
    columns = [(str(source), 3 if source == TextSource.ALT else 5) for source in sources]
    for groups in found:
        if groups[7]:
            return None
        texts = _texts(groups, columns)
        if not texts:
            unpaired["no_text"] += 1
            continue
        url = groups[0] or (origin + groups[1] if groups[1] else b"")
        if not url or b"/." in url or b"xn--" in url:
            joined = reference_urls(base, json_string(groups[0] or groups[1] or groups[2]))
            if not joined.url:
                unpaired[joined.reason] += 1
                continue
            url = joined.url.encode()
        for text, source in texts:
            rows.add(url, text, source)
    rows.unpaired = dict(unpaired)
    return rows


def _texts(groups: Sequence[bytes], columns: Sequence[tuple[str, int]]) -> list[tuple[bytes, str]]:
    """The texts of an image, each with the first source that gives it."""
    texts: list[tuple[bytes, str]] = []
    for source, at in columns:
        text = groups[at]
        if groups[at + 1] or len(text) > TEXT_CHARS:
            text = normalise_text(json_string(groups[at + 1] or text)[:TEXT_CHARS]).encode()
        if text and (not texts or all(text != known for known, _ in texts)):
            texts.append((text, source))
    return texts


def json_string(raw: bytes) -> str:
    """What a JSON string holds, given without its quotation marks."""
    if b"\\" not in raw:
        return raw.decode("utf-8", "replace")
    text: str = json.loads(b'"' + raw + b'"', strict=False)
    return text
