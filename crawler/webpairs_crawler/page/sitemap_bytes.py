"""The bytes of a sitemap made readable: gunzipped within bounds, its bare ampersands repaired."""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from html.entities import html5
from itertools import chain

MAX_BYTES = 50 * 1024 * 1024
"""Read of one sitemap once inflated (sitemaps.org, protocol 0.9)."""
_CHUNK = 65_536
_GZIP = b"\x1f\x8b"
_REFERENCE = re.compile(rb"&(?:(#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)?")
_MAX_REFERENCE = 40
_XML_NAMES = frozenset(["amp", "lt", "gt", "quot", "apos"])


def inflated(body: bytes, faults: Counter[str]) -> Iterator[bytes]:
    """The bytes in pieces, gunzipped if they are gzip, whatever name and type they came under."""
    n_bytes = 0
    for chunk in _gunzipped(body, faults) if body.startswith(_GZIP) else _pieces(body):
        n_bytes += len(chunk)
        if n_bytes > MAX_BYTES:
            faults["too_large"] += 1
            return
        yield chunk


def repaired(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same with a bare & escaped and HTML's named characters in numbers.

    Many sitemaps hold `?a=1&b=2` as it is; XML's recovery would make `?a=1=2` of it. Not where
    CDATA is used: there a & stands for itself.
    """
    rest = b""
    has_cdata = False
    for chunk in chain(chunks, (b"",)):
        has_cdata = has_cdata or b"<![CDATA[" in rest + chunk
        if has_cdata:
            yield rest + chunk
            rest = b""
            continue
        text = rest + chunk
        # What a cut may have split, a reference or <![CDATA[, waits for its other half.
        end = max(0, len(text) - _MAX_REFERENCE)
        at = max(text.rfind(b"&", end), text.rfind(b"<", end)) if chunk else -1
        text, rest = (text[:at], text[at:]) if at >= 0 else (text, b"")
        yield _REFERENCE.sub(_reference, text) if b"&" in text else text


def _reference(found: re.Match[bytes]) -> bytes:
    name = (found.group(1) or b"").decode("ascii")
    if not name:
        return b"&amp;"
    if name.startswith("#") or name in _XML_NAMES:
        return found.group()
    characters = html5.get(f"{name};")
    if characters is None:
        return b"&amp;" + found.group()[1:]
    return "".join(f"&#{ord(c)};" for c in characters).encode("ascii")


def _pieces(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), _CHUNK):
        yield body[at : at + _CHUNK]


def _gunzipped(body: bytes, faults: Counter[str]) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    is_cut = True
    try:
        for piece in _pieces(body):
            rest = piece
            while rest:
                yield member.decompress(rest, _CHUNK)
                rest = member.unconsumed_tail
                is_cut = not member.eof
                if member.eof:
                    rest = member.unused_data
                    member = zlib.decompressobj(wbits=31)
    except zlib.error:
        is_cut = True  # or something that is no gzip after its end
    if is_cut:
        faults["bad_gzip"] += 1
