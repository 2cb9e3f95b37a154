"""From the bytes of a page to text, as the HTML standard's encoding sniffing does it: byte order
mark, HTTP charset, meta prescan; then UTF-8 if the bytes are UTF-8, else windows-1252.

The last step is where browsers differ (by the user's language, by guessing); UTF-8 that is valid
throughout is no accident, and windows-1252 is what the standard names for most of the world.
"""

import codecs
import re

from webpairs_crawler.web.encoding_labels import CODECS
from webpairs_crawler.web.prescan import prescan

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
)
_HTTP_CHARSET = re.compile(r"(?<![\w-])charset\s*=\s*(?:\"([^\"]*)\"?|'?([^\s\"';,]+))", re.I)


def decode_page(html: bytes, content_type: str) -> str:
    """The text of a page. Bytes that the encoding does not know become U+FFFD."""
    start, codec = _sniff(html, content_type)
    return html[start:].decode(codec, "replace")


def utf8_page(html: bytes, content_type: str) -> bytes:
    """The page in UTF-8, for the parser: the bytes themselves where they are UTF-8 already."""
    start, codec = _sniff(html, content_type)
    body = html[start:] if start else html
    if codec == "utf-8":
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return body
    # "replace" on the way out: UTF-16 may hold lone surrogates.
    return body.decode(codec, "replace").encode("utf-8", "replace")


def codec_of(label: str) -> str:
    """The name of Python's codec for an encoding label; "" for one that the web does not know."""
    return CODECS.get(label.strip(" \t\n\f\r").lower(), "")


def _sniff(html: bytes, content_type: str) -> tuple[int, str]:
    """Where the text of a page starts, and the codec that reads it."""
    for bom, name in _BOMS:
        if html.startswith(bom):
            return len(bom), name
    named = _HTTP_CHARSET.search(content_type)
    codec = codec_of(named.group(1) or named.group(2) or "") if named else ""
    codec = codec or prescan(html)
    if codec:
        return 0, codec
    try:
        html.decode("utf-8")
    except UnicodeDecodeError:
        return 0, "cp1252"
    return 0, "utf-8"
