"""Where an image file keeps what it says about itself: XMP packets and C2PA manifests as raw bytes.

A walk over the file's own segments and not a search for text: text is found in thumbnails and
pixels too, and PNG compresses it. Only AVIF, whose items lie anywhere, is searched. Lengths are
never believed: what would leave the file ends the walk, and what was found until there counts.
"""

import struct
import zlib
from collections.abc import Iterator

import msgspec

MAX_PACKET_BYTES = 4 * 2**20
"""Of one XMP packet or one C2PA manifest store; what is longer is left unread."""
_MAX_PACKETS = 16
_MAX_PIECES = 4096
"""Segments of one file that are looked at; a JPEG has dozens, a PNG of 20 MB some thousands."""

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENSION_HEAD = 40  # a GUID in 32 hex, the length of all and this piece's place in it
_XMP_TAGS = ((b"<x:xmpmeta", b"</x:xmpmeta>"), (b"<rdf:RDF", b"</rdf:RDF>"))
_C2PA_GIF = b"\x21\xff\x0bC2PA_GIF"
_XMP_GIF = b"\x21\xff\x0bXMP DataXMP"
_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


class Embedded(msgspec.Struct, frozen=True):
    """What was found, in the order of the file."""

    xmp: tuple[bytes, ...] = ()
    """XML, each with or without its packet wrapper."""
    jumbf: tuple[bytes, ...] = ()
    """C2PA manifest stores: JUMBF boxes (ISO/IEC 19566-5)."""


def find_embedded(data: bytes, kind: str) -> Embedded:
    """The packets of a file of this `kind` (a word of `sniff`). Never raises."""
    walk = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "GIF": _gif, "AVIF": _avif}.get(kind)
    if walk is None:
        return Embedded()
    xmp, jumbf = walk(data)
    return Embedded(_bounded(xmp), _bounded(jumbf))


def _bounded(packets: list[bytes]) -> tuple[bytes, ...]:
    return tuple(p for p in packets if p and len(p) <= MAX_PACKET_BYTES)[:_MAX_PACKETS]


def _jpeg(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """APP1 holds XMP (XMP part 3, §1.1.3), APP11 JUMBF (ISO/IEC 18477-3, C2PA 2.2 §A.3.1)."""
    xmp: list[bytes] = []
    extensions: dict[bytes, dict[int, bytes]] = {}
    boxes: dict[bytes, dict[int, bytes]] = {}
    for marker, body in _jpeg_segments(data):
        if marker == 0xE1 and body.startswith(_XMP):
            xmp.append(body[len(_XMP) :])
        elif marker == 0xE1 and body.startswith(_XMP_EXTENSION):
            piece = body[len(_XMP_EXTENSION) :]
            place = int.from_bytes(piece[36:_EXTENSION_HEAD], "big")
            extensions.setdefault(piece[:32], {})[place] = piece[_EXTENSION_HEAD:]
        elif marker == 0xEB and body[:2] == b"JP":
            # Number of the box, number of the piece; each piece repeats the box's own header.
            boxes.setdefault(body[2:4], {})[int.from_bytes(body[4:8], "big")] = body[8:]
    xmp += [_joined(pieces) for pieces in extensions.values()]
    return xmp, [_box_of_pieces(pieces) for pieces in boxes.values()]


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and payload of each segment before the first scan."""
    at = 2
    for _ in range(_MAX_PIECES):
        while data[at : at + 2] == b"\xff\xff":
            at += 1  # fill bytes
        if len(data) < at + 4 or data[at] != 0xFF:
            return
        marker = data[at + 1]
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (0xD9, 0xDA) or length < 2:
            return
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _box_of_pieces(pieces: dict[int, bytes]) -> bytes:
    """A JUMBF box that was cut into segments: the first whole, the others without their header."""
    numbers = sorted(pieces)
    head = 16 if pieces[numbers[0]][:4] == b"\0\0\0\1" else 8  # length 1: the true one follows
    rest = (pieces[number][head:] for number in numbers[1:])
    return b"".join([pieces[numbers[0]], *rest])


def _joined(pieces: dict[int, bytes]) -> bytes:
    return b"".join(pieces[place] for place in sorted(pieces))


def _png(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """Chunk iTXt with the keyword of XMP part 3 §1.1.5; chunk caBX (C2PA 2.2 §A.3.3)."""
    xmp: list[bytes] = []
    jumbf: list[bytes] = []
    at = 8
    for _ in range(_MAX_PIECES):
        if len(data) < at + 8:
            break
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"iTXt" and data.startswith(b"XML:com.adobe.xmp\0", at + 8):
            xmp.append(_text_of_itxt(data[at + 8 : at + 8 + length]))
        elif name == b"caBX":
            jumbf.append(data[at + 8 : at + 8 + length])
        at += 12 + length
    return xmp, jumbf


def _text_of_itxt(body: bytes) -> bytes:
    """keyword 0 is_compressed method language 0 keyword 0 text (PNG, third edition, §11.3.3.4)."""
    _, _, rest = body.partition(b"\0")
    is_compressed = rest[:1] == b"\1"
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    if not is_compressed:
        return text
    try:
        return zlib.decompressobj().decompress(text, MAX_PACKET_BYTES + 1)
    except zlib.error:
        return b""


def _webp(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """RIFF chunks `XMP ` (WebP container specification) and `C2PA` (C2PA 2.2 §A.3.5)."""
    found: dict[bytes, list[bytes]] = {b"XMP ": [], b"C2PA": []}
    at = 12
    for _ in range(_MAX_PIECES):
        if len(data) < at + 8:
            break
        name, length = struct.unpack_from("<4sI", data, at)
        if name in found:
            found[name].append(data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return found[b"XMP "], found[b"C2PA"]


def _gif(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """Application extensions: XMP stands there as it is (XMP part 3 §1.1.2), C2PA in sub-blocks."""
    xmp: list[bytes] = []
    jumbf: list[bytes] = []
    if (at := data.find(_XMP_GIF)) >= 0:
        xmp = _packets_in(data, at)
    if (at := data.find(_C2PA_GIF)) >= 0:
        jumbf.append(_sub_blocks(data, at + 14))
    return xmp, jumbf


def _sub_blocks(data: bytes, at: int) -> bytes:
    blocks: list[bytes] = []
    while at < len(data) and data[at] and len(blocks) < MAX_PACKET_BYTES // 255:
        blocks.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(blocks)


def _avif(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """XMP is an item of the `meta` box and lies anywhere; C2PA is a top-level `uuid` box
    (C2PA 2.2 §A.5)."""
    jumbf: list[bytes] = []
    at = 0
    for _ in range(_MAX_PIECES):
        if len(data) < at + 8:
            break
        length, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif length == 0:
            length = len(data) - at
        if length < head:
            break
        if name == b"uuid" and data.startswith(_C2PA_BOX, at + head):
            # version and flags, a purpose that ends in 0, for a manifest the place of a Merkle box
            purpose, _, rest = data[at + head + 20 : at + length].partition(b"\0")
            if purpose in (b"manifest", b"original", b"update"):
                jumbf.append(rest[8:])
        at += length
    return _packets_in(data, 0), jumbf


def _packets_in(data: bytes, at: int) -> list[bytes]:
    """The XMP packets of a file without a walkable frame, found by their outer tag."""
    packets: list[bytes] = []
    while len(packets) < _MAX_PACKETS:
        starts = [(data.find(start, at), end) for start, end in _XMP_TAGS]
        first, end = min((found for found in starts if found[0] >= 0), default=(-1, b""))
        if first < 0:
            break
        last = data.find(end, first, first + MAX_PACKET_BYTES)
        if last < 0:  # cut short: no XML, but a denial in it can still be read
            packets.append(data[first : first + MAX_PACKET_BYTES])
            break
        at = last + len(end)
        packets.append(data[first:at])
    return packets
