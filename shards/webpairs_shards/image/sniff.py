"""Which image format some bytes claim by their first ones. Content-Type is never asked: it lies.

Apart from `image` so that the fetcher can drop a page or a video after its first packet without
importing Pillow.
"""

SNIFF_BYTES = 64
"""How many bytes are enough to decide."""

_MAGIC = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
)


def sniff(head: bytes) -> str | None:
    """Pillow's name of the format, or None for anything that webpairs does not decode.

    Decoded are JPEG, PNG, GIF, BMP, WebP and AVIF: what browsers show. TIFF, ICO, PSD, SVG, PDF and
    other formats with a long record of holes are not.
    """
    for name, magic in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and _has_avif_brand(head):
        return "AVIF"
    return None


def _has_avif_brand(head: bytes) -> bool:
    """Whether a brand of the `ftyp` box (ISO/IEC 14496-12 §4.3) is AVIF's: HEIC shares the box."""
    size = min(int.from_bytes(head[:4], "big"), SNIFF_BYTES, len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))}
    return bool(brands & {b"avif", b"avis"})
