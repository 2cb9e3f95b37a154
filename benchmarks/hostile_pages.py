"""CPU seconds of extraction on pages made to stop it, all text sources on; none may take over two.

Prints one JSON line for each attack: its size, what came out, and what it cost.
"""

import json
import time
from collections.abc import Callable

from census import ORDER
from webpairs_crawler.page.extract import PageSource, read_page

SIZE = 8_000_000
"""Bytes: the largest page that a crawl reads (`max_page_bytes`)."""
IMG = b"<img src=a.jpg alt='a red door'>"
WORD = "\uad00\uac1c ".encode()


def filled(piece: bytes, size: int = SIZE) -> bytes:
    """A page of this piece again and again."""
    return piece * (size // len(piece))


def numbered(piece: bytes, n: int) -> bytes:
    """n pieces, each with its number."""
    return b"".join(piece % i for i in range(n))


def labels() -> bytes:
    """Images that name nested labels, each of which holds half a megabyte of text."""
    text = b"<i></i>" * 20_000 + WORD * 60_000
    nested = numbered(b"<div id=i%d>", 400) + text + b"</div>" * 400
    names = b" ".join(b"i%d" % i for i in range(400))
    return nested + b"".join(
        b'<img src=a.jpg aria-labelledby="%s">' % names[i % 300 :] for i in range(2_000)
    )


def json_ld(block: bytes) -> bytes:
    """A page with one JSON-LD block."""
    return b'<script type="application/ld+json">' + block + b"</script>" + IMG


def anchors() -> bytes:
    """Links to images, nested as deep as the parser lets them, around one text."""
    group = b"<a href=a.jpg><object>" * 200 + b"<i></i>" * 2_000 + WORD * 300
    return (group + b"</object></a>" * 200) * 40


ATTACKS: dict[str, Callable[[], bytes]] = {
    "nested blocks": lambda: filled(b"<div>"),
    "nested blocks, 16,000": lambda: b"<div>" * 16_000 + IMG,
    "angles": lambda: filled(b"<"),
    "unclosed comments": lambda: filled(b"<!--"),
    "unclosed attributes": lambda: filled(b"<img alt='"),
    "names without end": lambda: filled(b"<a"),
    "scripts in scripts": lambda: filled(b"<script><!--<script>"),
    "scripts": lambda: filled(b"<script></script>"),
    "svg and raw text": lambda: filled(b"<svg><title>x</title>"),
    "attributes of one tag": lambda: (
        b"<img alt='a red door' src=a.jpg " + numbered(b"a%d=1 ", 80_000)
    ),
    "attributes of many images": lambda: (
        (b"<img alt='a red door' " + numbered(b"a%d=full/image.jpg? ", 500) + b">") * 700
    ),
    "images": lambda: filled(IMG),
    "images with long texts": lambda: numbered(
        b"<img src=a.jpg alt='%d " + WORD * 1_400 + b"'>", 800
    ),
    "images with references": lambda: numbered(
        b"<img src=a.jpg alt='%d " + b"&amp;lt;" * 1_200 + b"'>", 800
    ),
    "images with marks": lambda: numbered(
        b"<img src=a.jpg alt='%d" + "\u0301\u0323".encode() * 2_400 + b"'>", 800
    ),
    "images with all texts": lambda: (
        b"<figure><figcaption>%s</figcaption>" % (WORD * 300)
        + numbered(b"<img src=a%d.jpg alt=one title=two aria-label=three data-caption=4>", 80_000)
    ),
    "one caption, 20,000 images": lambda: (
        b"<figure>"
        + b"<img src=a.jpg>" * 20_000
        + b"<figcaption>%s</figcaption></figure>" % (WORD * 500)
    ),
    "20,000 figures": lambda: numbered(
        b"<figure><img src=a%d.jpg><figcaption>some words</figcaption></figure>", 20_000
    ),
    "class captions": lambda: b"<div><img src=a.jpg><p class=caption>some words</p></div>" * 30_000,
    "class captions, flat": lambda: b"<img src=a.jpg><p class=caption>some words</p>" * 30_000,
    "class captions, nested": lambda: (
        (b"<div class=caption>" * 400 + IMG * 40 + b"some words" + b"</div>" * 400) * 200
    ),
    "srcset without end": lambda: (
        b"<img alt='a red door' srcset='" + filled(b"data:,a 1w,", 7_000_000) + b"'>"
    ),
    "srcset of parentheses": lambda: (
        b"<img alt='a red door' srcset='" + filled(b"a (", 7_000_000) + b"'>"
    ),
    "srcsets": lambda: filled(
        b"<img alt='a red door' srcset='" + numbered(b"http://[ %dw,", 50) + b"'>"
    ),
    "sources": lambda: (
        b"<picture>"
        + b"<source srcset='http://[ 1w'>" * 20_000
        + b"<img alt='a red door'>" * 20_000
    ),
    "lazy attributes": lambda: filled(
        b"<img alt='a red door' "
        + b" ".join(b"data-x%d-full-image='http://[/.jpg'" % i for i in range(40))
        + b">"
    ),
    "links": lambda: numbered(b"<a href='//%d\xc3\xa9.com/a.jpg'>text</a>", 200_000),
    "anchors, nested": anchors,
    "labels": labels,
    "ids": lambda: filled(b"<p id=a>") + b"<img src=a aria-labelledby=a>",
    "noscript": lambda: filled(b"<noscript>" + IMG),
    "noscript, closed": lambda: filled(b"<noscript>" + IMG + b"</noscript>"),
    "metas": lambda: filled(b"<meta property=og:image content=a.jpg>"),
    "card images": lambda: numbered(
        b"<meta property=og:image content=a%d.jpg><meta property=og:image:alt content=words>",
        90_000,
    ),
    "JSON-LD, wide": lambda: json_ld(
        b"[" + b'{"@type":"ImageObject","url":"a.jpg","caption":"some words"},' * 14_000 + b"1]"
    ),
    "JSON-LD, 8 MB": lambda: json_ld(b"[" + filled(b'{"@type":"ImageObject"},') + b"1]"),
    "JSON-LD, deep": lambda: json_ld(b"[" * 400_000 + b"]" * 400_000),
    "JSON-LD, deep and tame": lambda: json_ld(b'{"image":' * 900 + b"1" + b"}" * 900),
    "JSON-LD, malformed": lambda: json_ld(b"[" + b'{"a":"b\n"},' * 80_000 + b"x"),
    "JSON-LD, blocks": lambda: filled(json_ld(b"{")),
    "JSON-LD, a long number": lambda: json_ld(b"9" * 900_000),
    "JSON-LD, escapes": lambda: json_ld(b'{"image":{"url":"a","name":"' + b"<" * 900_000 + b'"}}'),
    "bases": lambda: filled(b"<base href='http://['>"),
    "titles": lambda: filled(b"<title>x</title>"),
    "formatting": lambda: b"<p>" + numbered(b"<font a=%d>", 2_400) + b"<p>y" * 2_400,
}


def main() -> None:
    """Read each page once."""
    source = PageSource(url="http://example.org/a/b", texts=ORDER)
    for name, make in ATTACKS.items():
        html = make()[:SIZE]
        started = time.process_time()
        page = read_page(html, source)
        cpu_s = time.process_time() - started
        facts = {"attack": name, "bytes": len(html), "images": page.n_images}
        facts |= {"pairs": len(page.pairs), "unpaired": page.unpaired}
        print(json.dumps(facts | {"cpu_s": round(cpu_s, 2)}), flush=True)


if __name__ == "__main__":
    main()
