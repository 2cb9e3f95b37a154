"""The rights that an image file carries, read from the bytes received, before they are encoded anew
(which drops all of it): creator, copyright, licence, and whether training is permitted.

XMP speaks before IPTC-IIM, and both before EXIF, as the IPTC's own guidance has it. What is said
about training becomes opt-out signals: `iptc:DMI-PROHIBITED@image` (plus:DataMining, IPTC 2023.1)
and `c2pa:ai_training=notAllowed@image`. Whether they forbid is not decided here.
"""

from collections.abc import Mapping
from typing import Any

from webpairs_core.text import normalise_text
from webpairs_shards.image.c2pa import training_uses
from webpairs_shards.image.embedded import find_embedded
from webpairs_shards.image.processed import Rights
from webpairs_shards.image.xmp import read_xmp

MAX_CHARACTERS = 300
"""Of one field; IPTC-IIM has 32 for a creator and 128 for a copyright notice."""

_IIM_RESOURCE = 0x0404
"""Photoshop image resource that holds IPTC-IIM (Adobe Photoshop File Formats)."""
_BY_LINE, _COPYRIGHT = (2, 80), (2, 116)
_CODED_CHARACTER_SET = (1, 90)
_UTF_8 = b"\x1b%G"
EXIF_ARTIST, EXIF_COPYRIGHT = 0x013B, 0x8298
_MAX_DATASETS = 500


def read_rights(data: bytes, kind: str, info: Mapping[Any, Any], exif: Mapping[int, Any]) -> Rights:
    """The rights in a file's bytes. `kind` is a word of `sniff`; `info` and `exif` are what Pillow
    has read of the same file. Never raises for what the bytes hold."""
    embedded = find_embedded(data, kind)
    said = read_xmp(embedded.xmp)
    by_line, notice = _iim(info.get("photoshop"))
    signals = {f"iptc:{term}@image" for term in said.data_mining}
    for store in embedded.jumbf:
        signals |= {f"c2pa:{use}={answer}@image" for use, answer in training_uses(store)}
    return Rights(
        creator=_clean(said.creator or by_line or _text(exif.get(EXIF_ARTIST))),
        copyright=_clean(said.copyright or notice or _text(exif.get(EXIF_COPYRIGHT))),
        license=_clean(said.license),
        signals=tuple(sorted(signals)),
    )


def _iim(resources: Any) -> tuple[str, str]:
    """By-line and copyright notice of IPTC-IIM 4.2 §1.5: 0x1C, record, dataset, length, value."""
    data = resources.get(_IIM_RESOURCE) if isinstance(resources, dict) else None
    if not isinstance(data, bytes):
        return "", ""
    found: dict[tuple[int, int], list[bytes]] = {}
    at = 0
    for _ in range(_MAX_DATASETS):
        if len(data) < at + 5 or data[at] != 0x1C:
            break
        length = int.from_bytes(data[at + 3 : at + 5], "big")  # over 0x7FFF: another form, the end
        found.setdefault((data[at + 1], data[at + 2]), []).append(data[at + 5 : at + 5 + length])
        at += 5 + length
    coding = "utf-8" if _UTF_8 in found.get(_CODED_CHARACTER_SET, []) else ""
    creator, notice = (
        "; ".join(_decoded(value, coding) for value in found.get(key, []))
        for key in (_BY_LINE, _COPYRIGHT)
    )
    return creator, notice


def _text(value: Any) -> str:
    """An EXIF value as text; NUL ends it and parts the photographer's notice from the editor's."""
    if isinstance(value, bytes):
        value = _decoded(value, "")
    if not isinstance(value, str):
        return ""
    return "; ".join(filter(None, map(str.strip, value.split("\0"))))


def _decoded(value: bytes, coding: str) -> str:
    """Most writers mean UTF-8 whether they say so or not; the rest is Latin."""
    try:
        return value.decode(coding or "utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")


def _clean(text: str) -> str:
    return normalise_text(text[: 4 * MAX_CHARACTERS])[:MAX_CHARACTERS].rstrip()
