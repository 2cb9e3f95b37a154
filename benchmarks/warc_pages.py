"""Pages and pairs per CPU second from WARC files, with the floors under them.

Floors on the same files: reading the records with fastwarc alone, and that with a parse of each
HTML page by lexbor. What is above the second is our extraction and the tables. By default a file of
generated article pages is read; real ones tell more (pages with 20 kB to 500 kB of markup).
"""

import argparse
import gzip
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from fastwarc.warc import ArchiveIterator
from selectolax.lexbor import LexborHTMLParser

from webpairs_core.records import TextSource
from webpairs_crawler.archive.read import ArchiveSource, read_archive

_RESPONSE = 4


def main() -> None:
    """Read the files in each way, and print a JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="a WARC file or a folder of them")
    parser.add_argument("--pages", type=int, default=300, help="to make, when no path is given")
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts")
    parser.add_argument("--texts", nargs="+", default=["alt"], choices=[*TextSource])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "made.warc.gz"
        if args.path is None:
            rng = random.Random(0)
            made.write_bytes(b"".join(_member(_page(rng)) for _ in range(args.pages)))
        files = [file.read_bytes() for file in _warcs(args.path or made)]
    source = ArchiveSource(name="x", texts=tuple(map(TextSource, args.texts)))
    n_pages, n_pairs = _ours(files, source)
    ways: dict[str, Callable[[], object]] = {
        "floor: records": lambda: [_bodies(data) for data in files],
        "floor: and parse": lambda: [_parsed(data) for data in files],
        "warc_pages": lambda: _ours(files, source),
    }
    for name, way in ways.items():
        cpu_s = min(_cpu_s(way) for _ in range(args.rounds))
        line = {"name": name, "unit": "pages", "n": n_pages, "per_cpu_s": round(n_pages / cpu_s, 1)}
        line |= {"ms_per_page": round(1000 * cpu_s / n_pages, 3)}
        if name == "warc_pages":
            line |= {"pairs": n_pairs, "pairs_per_cpu_s": round(n_pairs / cpu_s)}
            line |= {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
        print(json.dumps(line))


def _warcs(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = [file for file in sorted(path.rglob("*")) if ".warc" in file.name]
    return [file for file in found if not {".wat", ".wet"} & set(file.suffixes)]


def _page(rng: random.Random) -> str:
    """An article of 60 kB: paragraphs, 20 images with alt, 30 links."""
    blocks = []
    for i in range(60):
        text = " ".join(f"{rng.getrandbits(20):x}" for _ in range(150))
        blocks.append(f"<div class='block'><p>{text}</p></div>")
        if i % 3 == 0:
            blocks.append(f'<img src="/media/{i}.jpg" alt="{text[:50]}" width=640 height=480>')
        if i % 2 == 0:
            blocks.append(f'<a href="page-{i}.html">{text[:40]}</a>')
    return f"<!doctype html><html lang=en><title>T</title>{''.join(blocks)}</html>"


def _member(html: str) -> bytes:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html.encode()
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://www.example.com/\r\n"
        f"Content-Length: {len(block)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + block + b"\r\n\r\n", 6)


def _ours(files: list[bytes], source: ArchiveSource) -> tuple[int, int]:
    n_pages = n_pairs = 0
    for data in files:
        for batch in read_archive(BytesIO(data), source):
            n_pages += batch.outcomes.get("ok", 0)
            n_pairs += batch.pairs.num_rows
    return n_pages, n_pairs


def _bodies(data: bytes) -> list[bytes]:
    bodies = []
    try:
        for record in ArchiveIterator(BytesIO(data), parse_http=False):
            if int(record.record_type) == _RESPONSE:
                bodies.append(record.reader.read())
    except OSError:  # damage, which ends the file for fastwarc
        pass
    return bodies


def _parsed(data: bytes) -> int:
    pages = (body.partition(b"\r\n\r\n")[2] for body in _bodies(data))
    return sum(LexborHTMLParser(html).body is not None for html in pages if b"<" in html[:1000])


def _cpu_s(way: Callable[[], object]) -> float:
    started = time.process_time()
    way()
    return time.process_time() - started


if __name__ == "__main__":
    main()
