"""Image files that speak of their rights, written box by box: no library signs or embeds here."""

import io
import struct
import zlib
from typing import Any

import cbor2
from PIL import Image, PngImagePlugin

from hostile_web import picture

VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_SPACES = (
    'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" '
    'xmlns:cc="http://creativecommons.org/ns#"'
)


def packet(attributes: str = "", elements: str = "") -> bytes:
    """An XMP packet about one resource."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
        f'<rdf:Description rdf:about="" {_SPACES} {attributes}>{elements}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def mining(term: str) -> bytes:
    """A packet that says plus:DataMining as ExifTool writes it."""
    return packet(elements=f"<plus:DataMining>{VOCABULARY}{term}</plus:DataMining>")


def with_xmp(xmp: bytes, kind: str, size: tuple[int, int] = (300, 240)) -> bytes:
    """A picture with this packet, by Pillow where it writes XMP, else by hand."""
    plain = picture(*size, kind)
    if kind == "GIF":
        return plain[:-1] + b"\x21\xff\x0bXMP DataXMP" + xmp + _magic_trailer() + b";"
    image = Image.open(io.BytesIO(plain))
    stream = io.BytesIO()
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
        image.save(stream, kind, pnginfo=text)
    else:
        image.save(stream, kind, xmp=xmp)
    return stream.getvalue()


def _magic_trailer() -> bytes:
    """Makes a reader of sub-blocks that jumps into the XMP land at its end."""
    return b"\1" + bytes(range(255, -1, -1)) + b"\0"


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def superbox(kind: bytes, label: str, *contents: bytes) -> bytes:
    """A JUMBF box with its description."""
    uuid = kind + bytes.fromhex("00110010800000aa00389b71")
    description = box(b"jumd", uuid + b"\3" + label.encode() + b"\0")
    return box(b"jumb", description + b"".join(contents))


def assertion(entries: dict[str, Any], label: str = "c2pa.training-mining") -> bytes:
    return superbox(b"cbor", label, box(b"cbor", cbor2.dumps({"entries": entries})))


def manifest_store(*assertions: bytes) -> bytes:
    """What C2PA embeds: store, manifest, assertion store, assertions, and a claim beside them."""
    claim = superbox(b"c2cl", "c2pa.claim", box(b"cbor", cbor2.dumps({"alg": "sha256"})))
    store = superbox(b"c2as", "c2pa.assertions", *assertions)
    return superbox(b"c2pa", "c2pa", superbox(b"c2ma", "urn:c2pa:1", store, claim))


def denial(use: str = "c2pa.ai_training", answer: str = "notAllowed") -> bytes:
    return manifest_store(assertion({use: {"use": answer}}))


def with_c2pa(store: bytes, kind: str, piece_bytes: int = 60_000) -> bytes:
    """A picture with this manifest store where its format wants it."""
    plain = picture(300, 240, kind)
    match kind:
        case "JPEG":
            return plain[:2] + b"".join(_app11(store, piece_bytes)) + plain[2:]
        case "PNG":
            chunk = b"caBX" + store
            made = struct.pack(">I", len(store)) + chunk + struct.pack(">I", zlib.crc32(chunk))
            return plain[:33] + made + plain[33:]
        case "WEBP":
            chunk = b"C2PA" + struct.pack("<I", len(store)) + store + b"\0" * (len(store) % 2)
            return b"RIFF" + struct.pack("<I", len(plain) + len(chunk) - 8) + plain[8:] + chunk
        case "GIF":
            blocks = [store[at : at + 255] for at in range(0, len(store), 255)]
            said = b"".join(bytes([len(block)]) + block for block in blocks)
            return plain[:-1] + b"\x21\xff\x0bC2PA_GIF\1\0\0" + said + b"\0;"
        case _:
            usertype = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
            content = usertype + b"\0" * 4 + b"manifest\0" + b"\0" * 8 + store
            return plain + box(b"uuid", content)


def _app11(store: bytes, piece_bytes: int) -> list[bytes]:
    """Segments that each repeat the 8 bytes of the box's header."""
    head, body = store[:8], store[8:]
    pieces = [body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes)]
    return [
        b"\xff\xeb" + struct.pack(">H2sHI", len(piece) + 18, b"JP", 1, number) + head + piece
        for number, piece in enumerate(pieces, 1)
    ]
