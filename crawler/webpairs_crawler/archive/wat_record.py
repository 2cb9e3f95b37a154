"""The JSON of a WAT record, as far as pages need it.

The layout is that of commoncrawl/ia-web-commons, the program that writes Common Crawl's WAT files.
The links are nine tenths of a record; `links_in` finds them so that the rest is parsed without.
"""

import json

import msgspec

_LINKS = b'"Links":'


class Meta(msgspec.Struct, frozen=True):
    """A meta element of the page; the language of the html element comes as `HTML@/lang`."""

    name: str = ""
    property: str = ""
    content: str = ""


class HeadLink(msgspec.Struct, frozen=True):
    """A link element of the page's head."""

    url: str = ""
    rel: str = ""
    type: str = ""


class Head(msgspec.Struct, frozen=True):
    """The head of the page."""

    title: str = msgspec.field(name="Title", default="")
    base: str = msgspec.field(name="Base", default="")
    metas: list[Meta] = msgspec.field(name="Metas", default=[])
    links: list[HeadLink] = msgspec.field(name="Link", default=[])


class Link(msgspec.Struct, frozen=True):
    """A link of the page: images have path IMG@/src, anchors A@/href."""

    path: str = ""
    url: str = ""
    alt: str = ""
    title: str = ""
    text: str = ""


class Html(msgspec.Struct, frozen=True):
    """What was read from the page itself."""

    head: Head = msgspec.field(name="Head", default=Head())
    links: list[Link] = msgspec.field(name="Links", default=[])


class _Message(msgspec.Struct, frozen=True):
    status: str = msgspec.field(name="Status", default="")


class Http(msgspec.Struct, frozen=True):
    """The HTTP answer that the page came in."""

    message: _Message = msgspec.field(name="Response-Message", default=_Message())
    fields: dict[str, str | list[str]] = msgspec.field(name="Headers", default={})
    html: Html | None = msgspec.field(name="HTML-Metadata", default=None)

    @property
    def status(self) -> int:
        """The status; 0 when there is none."""
        return int(self.message.status) if self.message.status.isdecimal() else 0

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers; a repeated one has a list of values."""
        return tuple(
            (name, value)
            for name, written in self.fields.items()
            for value in (written if isinstance(written, list) else [written])
        )


class _Payload(msgspec.Struct, frozen=True):
    http: Http | None = msgspec.field(name="HTTP-Response-Metadata", default=None)


class _WarcHeader(msgspec.Struct, frozen=True):
    url: str = msgspec.field(name="WARC-Target-URI", default="")
    date: str = msgspec.field(name="WARC-Date", default="")


class _Envelope(msgspec.Struct, frozen=True):
    payload: _Payload = msgspec.field(name="Payload-Metadata")
    header: _WarcHeader = msgspec.field(name="WARC-Header-Metadata", default=_WarcHeader())


class Wat(msgspec.Struct, frozen=True):
    """A WAT record."""

    envelope: _Envelope = msgspec.field(name="Envelope")


_DECODER = msgspec.json.Decoder(Wat, strict=False)


def links_in(body: bytes) -> tuple[int, int] | None:
    """Where the array of links stands in a record, as start and end; None when not where writers
    put it: last of all arrays of objects."""
    start = body.find(_LINKS)
    if start < 0:
        return None
    start += len(_LINKS)
    end = body.rfind(b"}]") + 2
    return (start, end) if end > start else None


def parse(body: bytes) -> Wat | None:
    """Parse a record; None when it is no JSON, or not of this layout."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:  # halves of surrogate pairs and stray bytes, which msgspec refuses
        lenient = json.loads(body.decode("utf-8", "replace"), strict=False)
        return msgspec.convert(lenient, Wat, strict=False)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def parse_without_links(body: bytes, links: tuple[int, int]) -> Wat | None:
    """Parse a record but for its links; None when that leaves no JSON.

    A cut in the wrong place does not go unseen: inside a string it makes the number of quotation
    marks odd, elsewhere brackets do not match.
    """
    try:
        return _DECODER.decode(body[: links[0]] + b"[]" + body[links[1] :])
    except (msgspec.MsgspecError, RecursionError):
        return None
