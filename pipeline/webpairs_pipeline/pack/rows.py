"""A row of what is packed, as every kind of source gives it, and what its fields mean."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from webpairs_core.records import Outcome, TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.tables.cells import extra_of, signals_of
from webpairs_crawler.web.urls import canonical
from webpairs_pipeline.pack.reading import Refused
from webpairs_shards.format.layout import SampleJson

CAPTIONS = ("caption", "text", "alt", "title", "description")
"""Names of captions, the likeliest first; case does not count."""
_URLS = ("url", "image_url")
_OF_OTHERS = ("page_url", "license_url", "page_lang", "lang")
"""Fields that a shard has under the same name, when they are texts."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OWN_KEY = re.compile(r"[0-9a-f]{32}")
_SOURCES = frozenset(map(str, TextSource))


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an image beside its caption; empty where nothing is."""

    key: bytes = b""
    """16 bytes, of a sample of our own shards."""
    url: str = ""
    page_url: str = ""
    text_source: str = str(TextSource.TABLE)
    page_lang: str = ""
    lang: str = ""
    lang_score: float = 0.0
    license_url: str = ""
    optout: tuple[str, ...] = ()
    sha256: str = ""
    """Of the bytes once received, where the image was made smaller since."""
    phash: int | None = None
    original: tuple[int, int] | None = None
    """Width and height once received."""
    extra: str = ""
    is_shortened: bool = False
    """Whether `extra` lost its longest values."""


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One image with its caption, or why there is none."""

    place: str
    """Where it stands, for a person."""
    text: str = ""
    """Normalised."""
    facts: Facts = Facts()
    data: bytes = b""
    refused: Outcome | None = None
    """None: `data` is to be judged."""


Unread = Callable[[], SourceRow]
"""A row whose image is not read yet, so that rows of a finished part cost next to nothing."""


def row_of(place: str, read: Callable[[], tuple[str, Facts, bytes]]) -> SourceRow:
    """The row that `read` gives as (text, facts, image); it may raise Refused."""
    try:
        text, facts, data = read()
    except Refused as refused:
        return SourceRow(place=_writable(place), refused=refused.outcome)
    return SourceRow(place=_writable(place), text=text, facts=facts, data=data)


def caption_of(data: bytes) -> str:
    """The text of a .txt, normalised. Raises Refused: bad_row."""
    try:
        return normalise_text(data.decode())
    except UnicodeDecodeError:
        raise Refused(Outcome.BAD_ROW) from None


def fields_of(data: bytes) -> dict[str, Any]:
    """The fields of a .json. Raises Refused: bad_row."""
    try:
        found = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(Outcome.BAD_ROW) from None
    return found


def described(text: str | None, fields: dict[str, Any], stem: str = "") -> tuple[str, Facts]:
    """Caption and facts, from a text of its own (None without one) and from fields, which are used
    up. `stem` is the name that the files share: our own shards are known by it.

    Raises Refused: no_caption.
    """
    own = _own(fields, stem)
    if own is not None:
        written = normalise_text(own.caption) if text is None else text
        facts = _own_facts(own)
    else:
        written = _taken_caption(fields, text)
        facts = _facts(fields)
    if not written:
        raise Refused(Outcome.NO_CAPTION)
    return written, facts


def _own(fields: dict[str, Any], stem: str) -> SampleJson | None:
    if not _OWN_KEY.fullmatch(stem) or fields.get("key") != stem:
        return None
    try:
        return msgspec.convert(fields, SampleJson)
    except msgspec.ValidationError:
        return None


def _own_facts(own: SampleJson) -> Facts:
    extra, is_shortened = own.extra, False
    if own.other_captions:  # samples have no column of their own for these
        held = fields_of(own.extra.encode()) if own.extra else {}
        extra, is_shortened = extra_of(held | {"other_captions": own.other_captions})
    return Facts(
        key=bytes.fromhex(own.key),
        url=own.url,
        page_url=own.page_url,
        text_source=own.text_source if own.text_source in _SOURCES else str(TextSource.TABLE),
        page_lang=own.page_lang,
        lang=own.lang,
        lang_score=own.lang_score,
        license_url=own.license_url,
        optout=tuple(own.optout.split()),
        sha256=own.sha256 if _SHA256.fullmatch(own.sha256) else "",
        phash=int(own.phash, 16) if re.fullmatch(r"[0-9a-f]{16}", own.phash) else None,
        original=(own.original_width, own.original_height),
        extra=extra,
        is_shortened=is_shortened,
    )


def _taken_caption(fields: dict[str, Any], text: str | None) -> str:
    """The caption. A field that only repeats it goes; another one stays for `extra`."""
    by_name = {name.lower(): name for name in reversed(fields)}
    for name in (by_name[each] for each in CAPTIONS if each in by_name):
        value = fields[name]
        if isinstance(value, str) and (found := normalise_text(value)):
            if text in (None, "", found):
                del fields[name]
                return found
            break
    return text or ""


def _facts(fields: dict[str, Any]) -> Facts:
    known: dict[str, Any] = {}
    for name in (name for name in list(fields) if name.lower() in _URLS):
        value = fields[name]
        url = canonical(value.strip()) if isinstance(value, str) else None
        if url is not None and "url" not in known:
            known["url"] = url
            del fields[name]
    for name in _OF_OTHERS:
        if isinstance(fields.get(name), str):
            known[name] = " ".join(fields.pop(name).split())
    if isinstance(score := fields.get("lang_score"), float) and "lang" in known:
        known["lang_score"] = min(max(score, 0.0), 1.0)
        del fields["lang_score"]
    if isinstance(sha256 := fields.get("sha256"), str) and _SHA256.fullmatch(sha256):
        known["sha256"] = fields.pop("sha256")
    sizes = fields.get("original_width"), fields.get("original_height")
    if all(type(size) is int and 0 < size < 2**31 for size in sizes):
        known["original"] = fields.pop("original_width"), fields.pop("original_height")
    if (optout := signals_of(fields.get("optout"))) is not None:
        known["optout"] = tuple(optout)
        del fields["optout"]
    extra, is_shortened = extra_of(fields)
    return replace(Facts(**known), extra=extra, is_shortened=is_shortened)


def _writable(place: str) -> str:
    """A file name may hold bytes that are no UTF-8."""
    return place.encode(errors="replace").decode()
