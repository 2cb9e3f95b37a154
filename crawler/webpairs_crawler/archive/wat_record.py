"""The JSON of a WAT record, as far as pages need it.

The layout is that of commoncrawl/ia-web-commons, the program that writes Common Crawl's WAT files.
The links are nine tenths of a record; `links_in` finds them so that the rest is parsed without.
"""

import json
from typing import TypeVar

import msgspec

_LINKS = b'"Links":'
_NONE = msgspec.Raw(b"null")
_T = TypeVar("_T")


class Meta(msgspec.Struct, frozen=True, gc=False):
    """A meta element of the page; the language of the html element comes as `HTML@/lang`."""

    name: str = ""
    property: str = ""
    content: str = ""


class HeadLink(msgspec.Struct, frozen=True, gc=False):
    """A link element of the page's head."""

    url: str = ""
    rel: str = ""
    type: str = ""


class Head(msgspec.Struct, frozen=True, gc=False):
    """The head of the page."""

    title: str = msgspec.field(name="Title", default="")
    base: str = msgspec.field(name="Base", default="")
    metas: list[Meta] = msgspec.field(name="Metas", default=[])
    link_elements: msgspec.Raw = msgspec.field(name="Link", default=_NONE)

    @property
    def links(self) -> list[HeadLink]:
        """The link elements; parsed when asked for, because few pages have one that matters."""
        return _parsed(self.link_elements, list[HeadLink]) or []


class Link(msgspec.Struct, frozen=True, gc=False):
    """A link of the page: images have path IMG@/src, anchors A@/href."""

    path: str = ""
    url: str = ""
    alt: str = ""
    title: str = ""
    text: str = ""


class Html(msgspec.Struct, frozen=True, gc=False):
    """What was read from the page itself."""

    head: Head = msgspec.field(name="Head", default=Head())
    links: list[Link] = msgspec.field(name="Links", default=[])


class _Message(msgspec.Struct, frozen=True, gc=False):
    status: str | int = msgspec.field(name="Status", default="")


class Http(msgspec.Struct, frozen=True, gc=False):
    """The HTTP answer that the page came in."""

    message: _Message = msgspec.field(name="Response-Message", default=_Message())
    fields: msgspec.Raw = msgspec.field(name="Headers", default=_NONE)
    html: Html | None = msgspec.field(name="HTML-Metadata", default=None)

    @property
    def status(self) -> int:
        """The status; 0 when there is none."""
        written = str(self.message.status)
        return int(written) if written.isascii() and written.isdigit() else 0

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers, parsed when asked for; a repeated one has a list of values."""
        fields = _parsed(self.fields, dict[str, str | list[str]]) or {}
        return tuple(
            (name, value)
            for name, written in fields.items()
            for value in (written if isinstance(written, list) else [written])
        )


class _Payload(msgspec.Struct, frozen=True, gc=False):
    http: Http | None = msgspec.field(name="HTTP-Response-Metadata", default=None)


class _WarcHeader(msgspec.Struct, frozen=True, gc=False):
    url: str = msgspec.field(name="WARC-Target-URI", default="")
    date: str = msgspec.field(name="WARC-Date", default="")


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    payload: _Payload = msgspec.field(name="Payload-Metadata")
    header: _WarcHeader = msgspec.field(name="WARC-Header-Metadata", default=_WarcHeader())


class Wat(msgspec.Struct, frozen=True, gc=False):
    """A WAT record."""

    envelope: _Envelope = msgspec.field(name="Envelope")


_DECODER = msgspec.json.Decoder(Wat)
_LAX_DECODER = msgspec.json.Decoder(Wat, strict=False)


def links_in(body: bytes) -> tuple[int, int] | None:
    """Where the array of links stands in a record, as start and end; None when not where writers
    put it: last of all arrays of objects."""
    start = body.find(_LINKS)
    if start < 0:
        return None
    start += len(_LINKS)
    end = body.rfind(b"}]") + 2
    return (start, end) if end > start else None


def without_links(body: bytes, links: tuple[int, int]) -> bytes:
    """A record with an empty array in the place of its links.

    A cut in the wrong place does not go unseen, for the rest is no JSON then: inside a string the
    cut makes the number of quotation marks odd, elsewhere brackets do not match.
    """
    return body[: links[0]] + b"[]" + body[links[1] :]


def parse(body: bytes) -> Wat | None:
    """Parse a record as its writer makes them; None when it is not like that."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None


def parse_leniently(body: bytes) -> Wat | None:
    """Parse a record with what `parse` refuses: stray bytes, halves of surrogate pairs, control
    characters, numbers for strings. None when it is no JSON, or of another layout."""
    try:
        value = json.loads(body.decode("utf-8", "replace"), strict=False)
        written = json.dumps(value, ensure_ascii=False).encode("utf-8", "ignore")
        return _LAX_DECODER.decode(written)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _parsed(raw: msgspec.Raw, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(raw, type=kind | None)
    except msgspec.MsgspecError:
        return None
