"""The received bytes without anything but their pixels, for files that fit the recipe as they are.

Copied is only what is known to be needed to decode, never "all but": EXIF (it may hold a location),
XMP, profiles, comments, thumbnails and whatever follows the end stay behind by not being named.
`stripped` is None for a file that holds anything unusual; it is then encoded anew.
"""

import re
import zlib

_JPEG_KEPT = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD})
"""Baseline, extended and progressive frames, Huffman and quantisation tables, restart interval."""
_JPEG_DROPPED = frozenset({*range(0xE0, 0xF0), 0xFE})
_SOI, _EOI, _SOS, _JFIF, _ADOBE = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
_END_OF_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
"""A marker that is neither a stuffed byte nor a restart (ITU-T T.81 §B.1.1)."""
_MAX_PIECES = 100_000

_PNG_KEPT = {b"IHDR": 13, b"IDAT": None, b"IEND": 0, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32}
"""Chunk to its only right length (PNG, third edition, §11)."""
_PNG_REFUSED = frozenset({b"iCCP", b"cICP", b"mDCV", b"cLLI", b"tRNS", b"acTL", b"fcTL", b"fdAT"})


def stripped(data: bytes, kind: str) -> bytes | None:
    """`data` of this `kind` (a word of `sniff`) with pixels only; None where it cannot be done."""
    strip = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}.get(kind)
    return None if strip is None else strip(data)


def _jpeg(data: bytes) -> bytes | None:
    out = [b"\xff\xd8"]
    at = 2
    for _ in range(_MAX_PIECES):
        if data[at : at + 1] != b"\xff":
            return None
        while data[at + 1 : at + 2] == b"\xff":
            at += 1  # fill bytes
        if len(data) < at + 4:
            if data[at : at + 2] == b"\xff\xd9":
                return b"".join([*out, b"\xff\xd9"])
            return None
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _EOI:
            return b"".join([*out, b"\xff\xd9"])
        end = at + 2 + length
        if length < 2 or end > len(data):
            return None
        if marker == _SOS:
            found = _END_OF_SCAN.search(data, end)
            if found is None:
                return None
            end = found.start()
            out.append(b"\xff" + data[at + 1 : end])
        elif marker in _JPEG_KEPT:
            out.append(data[at:end])
        elif marker in _JPEG_DROPPED:
            out.append(_application_segment(marker, data[at + 4 : end]))
        else:
            return None
        at = end
    return None


def _application_segment(marker: int, body: bytes) -> bytes:
    """What of an APPn says how to read the colours: JFIF without its thumbnail, Adobe's transform.

    Fields outside their fixed length are left behind (JFIF 1.02; T.872 §6.5.3).
    """
    if marker == _JFIF and body.startswith(b"JFIF\0") and len(body) >= 14:
        return b"\xff\xe0\0\x10" + body[:12] + b"\0\0"
    if marker == _ADOBE and body.startswith(b"Adobe") and len(body) >= 12:
        return b"\xff\xee\0\x0e" + body[:12]
    return b""


def _png(data: bytes) -> bytes | None:
    out = [data[:8]]
    at = 8
    for _ in range(_MAX_PIECES):
        if len(data) < at + 12:
            return None
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data) or name in _PNG_REFUSED:
            return None
        if name in _PNG_KEPT:
            if _PNG_KEPT[name] not in (None, length):
                return None
            chunk = data[at:end]
            if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                return None
            if name == b"IHDR" and chunk[16:18] != b"\x08\x02":  # 8 bits, colour
                return None
            out.append(chunk)
        if name == b"IEND":
            return b"".join(out)
        at = end
    return None


def _webp(data: bytes) -> bytes | None:
    """The one picture as the simple file format of the container specification."""
    at = 12
    for _ in range(_MAX_PIECES):
        if len(data) < at + 8:
            return None
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length
        if end > len(data) or name in (b"ALPH", b"ANIM", b"ANMF", b"ICCP"):
            return None
        if name in (b"VP8 ", b"VP8L"):
            chunk = data[at:end] + b"\0" * (length % 2)
            return b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk
        at = end + length % 2
    return None
