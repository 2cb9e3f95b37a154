"""The meta prescan: "prescan a byte stream to determine its encoding" of the HTML standard.

A page says in its first kilobyte how to read it, and must be read to hear it; so the standard has a
small reader of its own for this, with rules that differ from the parser's. We follow its steps, and
its order: a later rule never overrides an earlier find.
"""

import re
from collections.abc import Iterator

from webpairs_crawler.web.encoding_labels import CODECS

PRESCAN_BYTES = 1024
"""How far the standard looks."""

_SPACE = b"\t\n\x0c\r "
_GAP = re.compile(rb"[\t\n\x0c\r /]*")
_NAME = re.compile(rb"=?[^=\t\n\x0c\r />]*")
_EQUALS = re.compile(rb"[\t\n\x0c\r ]*=[\t\n\x0c\r ]*")
_UNQUOTED = re.compile(rb"[^\t\n\x0c\r >]*")
_TAG = re.compile(rb"</?[a-zA-Z][^\t\n\x0c\r >]*")
_META = re.compile(rb"<meta(?=[\t\n\x0c\r /])", re.IGNORECASE)
_CHARSET = re.compile(
    rb"charset[\t\n\x0c\r ]*=[\t\n\x0c\r ]*"
    rb"(?:\"([^\"]*)\"|'([^']*)'|([^\"'\t\n\x0c\r ;][^\t\n\x0c\r ;]*))",
    re.IGNORECASE,
)
_XML = re.compile(rb"<\?xml[^>]*?encoding[\x00-\x20]*=[\x00-\x20]*(?:\"([^\">]*)\"|'([^'>]*)')")


class _EndOfPageError(Exception):
    """The kilobyte ends within a tag: what the tag would have said does not count."""


def prescan(html: bytes) -> str:
    """The codec that the page's own head names; "" when it names none that the web knows."""
    head = html[:PRESCAN_BYTES]
    if head.startswith(b"<\x00?\x00x\x00"):
        return "utf-16-le"
    if head.startswith(b"\x00<\x00?\x00x"):
        return "utf-16-be"
    try:
        codec = next((codec for codec in _codecs(head) if codec), "")
    except _EndOfPageError:
        codec = ""
    return codec or _from_xml(head)


def _codecs(head: bytes) -> Iterator[str]:
    """The codec of each meta element, "" for one that names none."""
    position = 0
    while (position := head.find(b"<", position)) >= 0:
        if head.startswith(b"<!--", position):
            # The end may share its dashes with the start: <!--> is a whole comment.
            end = head.find(b"-->", position + 2)
            if end < 0:
                return
            position = end + 3
        elif meta := _META.match(head, position):
            position = meta.end()
            attributes: dict[bytes, bytes] = {}
            while found := _attribute(head, position):
                name, value, position = found
                attributes.setdefault(name, value)
            yield _codec_of_meta(attributes)
        elif tag := _TAG.match(head, position):
            position = tag.end()
            while found := _attribute(head, position):
                position = found[2]
        elif head[position + 1 : position + 2] in (b"!", b"/", b"?"):
            position = head.find(b">", position)
            if position < 0:
                return
        else:
            position += 1


def _attribute(head: bytes, position: int) -> tuple[bytes, bytes, int] | None:
    """The next attribute, lower case, and where it ends; None at the end of the tag."""
    position = _end(_GAP, head, position)
    if head[position] == ord(">"):
        return None
    start, position = position, _end(_NAME, head, position)
    name = head[start:position].lower()
    equals = _EQUALS.match(head, position)
    if equals is None:
        return name, b"", position
    position = equals.end()
    if position >= len(head):
        raise _EndOfPageError
    quote = head[position : position + 1]
    if quote in (b'"', b"'"):
        end = head.find(quote, position + 1)
        if end < 0:
            raise _EndOfPageError
        return name, head[position + 1 : end].lower(), end + 1
    start, position = position, _end(_UNQUOTED, head, position)
    return name, head[start:position].lower(), position


def _end(pattern: re.Pattern[bytes], head: bytes, position: int) -> int:
    found = pattern.match(head, position)
    if found is None or found.end() >= len(head):
        raise _EndOfPageError
    return found.end()


def _codec_of_meta(attributes: dict[bytes, bytes]) -> str:
    label = attributes.get(b"charset")
    if label is None:
        if attributes.get(b"http-equiv") != b"content-type":
            return ""
        found = _CHARSET.search(attributes.get(b"content", b""))
        if found is None:
            return ""
        label = found.group(1) or found.group(2) or found.group(3) or b""
    return _readable(label)


def _from_xml(head: bytes) -> str:
    """What an XML declaration at the very start names ("get an XML encoding")."""
    found = _XML.match(head)
    return _readable(found.group(1) or found.group(2) or b"") if found else ""


def _readable(label: bytes) -> str:
    codec = CODECS.get(label.strip(_SPACE).decode("latin-1").lower(), "")
    # Whoever could read this far as ASCII is not reading UTF-16, whatever the page says.
    return "utf-8" if codec.startswith("utf-16") else codec
