"""Samples of any WebDataset, as webdataset groups them: members that stand together and share a
name up to the first dot after its folder."""

import json
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec

from webpairs_shards.check.pictures import ENDINGS, Opinion, judge_picture
from webpairs_shards.check.tars import MAX_NAME

IMAGES = ("jpg", "jpeg", "png", "webp")
"""The endings that open_clip takes for an image, in lower case."""
_NAME = re.compile(r"((?:.*/)?[^.]+)\.([^/]*)", re.DOTALL)
_MAX_TEXT_BYTES = 16 * 2**20
_MAX_ENDINGS = 1_000
_N_SHOWN = 12
_DAMAGED = {"image_broken", "image_too_large", "caption_not_utf8", "json_broken", "cls_not_number"}
"""What makes open_clip pass over a sample."""


def split_name(name: str) -> tuple[str, str] | None:
    """Key and ending of a member; None for one that belongs to no sample.

    HF datasets passes over names that begin with a dot or two underscores, so they are none here.
    """
    if len(name) > MAX_NAME or posixpath.basename(name).startswith((".", "__")):
        return None
    found = _NAME.fullmatch(name)
    return (found[1], found[2]) if found else None


class Group(msgspec.Struct):
    """The members of a sample that were met so far."""

    key: str
    endings: dict[str, None] = msgspec.field(default_factory=dict)
    """As they are written; a set in order."""
    lower: set[str] = msgspec.field(default_factory=set)
    """The same in lower case."""
    is_damaged: bool = False
    image: bytes | None = None
    """The first one that a reader would take."""
    json: Any = None
    """The content of the member `json`, decoded."""
    label: int | None = None
    """The content of the member `cls`."""

    @property
    def has_pair(self) -> bool:
        """Whether open_clip would train on it."""
        return not self.is_damaged and "txt" in self.lower and bool(self.lower & {*IMAGES})

    @property
    def shown(self) -> str:
        """Its endings in words."""
        some = list(self.endings)[:_N_SHOWN]
        return ", ".join(some) + (" …" if len(some) < len(self.endings) else "")

    def add(self, ending: str, data: bytes | None, *, quick: bool) -> Iterator[Opinion]:
        """Take one more member and yield what is wrong with it."""
        lower = ending.lower()
        if lower in self.lower:
            yield Opinion("member_twice", ending)
        if len(self.endings) < _MAX_ENDINGS:
            self.endings[ending] = None
            self.lower.add(lower)
        if data is None:
            return
        for opinion in self._judged(lower, data, quick):
            self.is_damaged |= opinion.kind in _DAMAGED
            yield opinion

    def _judged(self, ending: str, data: bytes, quick: bool) -> Iterator[Opinion]:
        last = ending.rpartition(".")[2]
        if last in ENDINGS:
            if self.image is None and ending in ENDINGS:
                self.image = data
            yield from judge_picture(data, last, quick=quick)
        elif len(data) > _MAX_TEXT_BYTES:
            if last in ("txt", "json", "cls"):
                yield Opinion("large_member", f"{ending}: {len(data):,} bytes")
        elif last == "txt":
            yield from judge_caption(data)
        elif last == "json":
            try:
                content = json.loads(data)
            except (ValueError, RecursionError) as error:
                yield Opinion("json_broken", str(error))
            else:
                self.json = content if ending == "json" else self.json
        elif last == "cls":
            try:
                self.label = int(data)
            except ValueError:
                yield Opinion("cls_not_number", repr(data[:40]))

    def judge(self, n_classes: int | None) -> Iterator[Opinion]:
        """What is wrong with the sample as a whole; with `n_classes` it has a class, no caption."""
        lower = self.lower
        has_image = bool(lower & {*IMAGES})
        if not has_image and any(e.rpartition(".")[2] in ENDINGS for e in lower if "." in e):
            yield Opinion("dotted_key", f"the key is {self.key}, its endings {self.shown}")
            return
        if not has_image:
            yield Opinion("no_image", f"it has {self.shown}")
        if n_classes is None:
            if "txt" not in lower:
                yield Opinion("no_caption", f"it has {self.shown}")
        elif "cls" not in lower:
            yield Opinion("no_label", f"it has {self.shown}")
        elif n_classes and self.label is not None and not 0 <= self.label < n_classes:
            yield Opinion("class_unknown", f"{self.label:,} of {n_classes:,}")


def judge_caption(data: bytes) -> Iterator[Opinion]:
    """Yield what is wrong with the bytes of a caption."""
    try:
        caption = data.decode()
    except UnicodeDecodeError as error:
        yield Opinion("caption_not_utf8", str(error))
        return
    if not caption.strip():
        yield Opinion("empty_caption")
    if not unicodedata.is_normalized("NFC", caption):
        yield Opinion("caption_not_nfc")
    if "\n" in caption.rstrip("\n") or "\0" in caption:
        yield Opinion("caption_breaks")
