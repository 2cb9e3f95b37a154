"""Pairs per CPU second from WAT files: ours, and cc2dataset's where it is installed.

The file is made here, by the field rules of commoncrawl/ia-web-commons, which writes Common
Crawl's: for each page a request, a response and a metadata record; links with path, url and the
attributes that go with them. Real WAT files with HTML links were not at hand. The mix of links is
that of real pages: one image in eight links, 55 % of them with an alt text, URLs absolute,
root-relative, protocol-relative and relative, a language for each page, entities undone.

cc2dataset is run unchanged (`extract_documents_from_wat`) by the interpreter given as --peer. Ours
does more: URLs joined as the WHATWG says, texts normalised, rows keyed, an Arrow table made.
"""

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pyarrow as pa
from fastwarc.warc import ArchiveIterator

from webpairs_core.text import normalise_text
from webpairs_crawler.archive.read import ArchiveSource, read_archive
from webpairs_crawler.web.urls import canonical

LANGUAGES = (
    # Half of Common Crawl's pages are English, and so are the texts of many others.
    (60, "the old house by a river street food market red bicycle portrait of young woman lake"),
    (
        10,
        "logo banner thumbnail recipe chocolate cake fresh basil team meeting R&D it's 2024 — new",
    ),
    (15, "Straße Käse und die schöne Küche für niño corazón façade été garçon médias à côté"),
    (8, "Москва зима собака красивый дом купить новый город и фото"),
    (7, "東京 夜景 写真 北京 美食 서울 여행 카페 の店 新しい"),
)
PLACES = ("wp-content/uploads/2024/05", "images", "static/img", "media/catalog/product", "assets")
HEADERS = {
    "Date": "Sat, 18 May 2024 01:58:10 GMT",
    "Server": "nginx",
    "Content-Type": "text/html; charset=UTF-8",
    "X-Crawler-Transfer-Encoding": "chunked",
    "Connection": "keep-alive",
    "Vary": "Accept-Encoding",
    "X-Powered-By": "PHP/8.1.27",
    "Link": '<https://example.org/wp-json/>; rel="https://api.w.org/"',
    "Cache-Control": "no-cache, must-revalidate",
    "X-Crawler-Content-Encoding": "gzip",
}
PEER = """
import io, json, sys, time
import logging
from loguru import logger
logger.remove()
from cc2dataset.main import extract_documents_from_wat
data = open(sys.argv[1], "rb").read()
best = 1e9
for _ in range(int(sys.argv[2])):
    started = time.process_time()
    found = extract_documents_from_wat(io.BytesIO(data), "image")
    best = min(best, time.process_time() - started)
pairs = [[f["page_url"], f["url"], f["alt"]] for f in found]
json.dump({"cpu_s": best, "pairs": pairs}, sys.stdout)
"""


def main() -> None:
    """Time both on a made file, or on the files given, and print a JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="WAT files; none: one is made")
    parser.add_argument("--pages", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts")
    parser.add_argument("--peer", help="a Python interpreter that has cc2dataset")
    parser.add_argument("--differences", type=int, default=5, help="how many to show")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.warc.wat.gz"
        if not args.files:
            made.write_bytes(b"".join(wat_records(args.pages, random.Random(0))))
        for path in args.files or [made]:
            _compare(path, args)


def _compare(path: Path, args: argparse.Namespace) -> None:
    cpu_s, table = _ours(path, args.rounds)
    line = {
        "name": f"wat_pairs {path.name}",
        "unit": "pairs",
        "n": table.num_rows,
        "per_cpu_s": round(table.num_rows / cpu_s),
        "floor_per_cpu_s": round(table.num_rows / _floor(path, args.rounds)),
    }
    if args.peer:
        peer = json.loads(
            subprocess.run(
                [args.peer, "-c", PEER, str(path), str(args.rounds)],
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
        )
        differences = list(_differences(table, peer["pairs"]))
        line |= {
            "peer_n": len(peer["pairs"]),
            "peer_per_cpu_s": round(len(peer["pairs"]) / peer["cpu_s"]),
            "times": round(peer["cpu_s"] / cpu_s, 2),
            "differences": len(differences),
        }
        for difference in differences[: args.differences]:
            print(json.dumps(difference, ensure_ascii=False), file=sys.stderr)
    print(json.dumps(line))


def _ours(path: Path, rounds: int) -> tuple[float, pa.Table]:
    data = path.read_bytes()
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        batches = list(read_archive(BytesIO(data), ArchiveSource(name=path.name)))
        best = min(best, time.process_time() - started)
    return best, pa.concat_tables([batch.pairs for batch in batches])


def _floor(path: Path, rounds: int) -> float:
    """CPU seconds of reading the records alone, by fastwarc: no reader can be quicker."""
    data = path.read_bytes()
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        for record in ArchiveIterator(BytesIO(data), parse_http=False):
            record.reader.read()
        best = min(best, time.process_time() - started)
    return best


def _differences(table: pa.Table, peer: list[list[str]]) -> Iterator[dict[str, object]]:
    """Pairs that only one of both has, once the peer's are written as ours are: canonical URLs
    (it keeps fragments, blanks and raw Unicode) and normal texts."""
    ours = set(zip(*(table[name].to_pylist() for name in ("page_url", "url", "text")), strict=True))
    theirs = set()
    for page, url, alt in peer:
        text = normalise_text(alt)
        if text:
            theirs.add((canonical(page) or page, canonical(url) or url, text))
    for name, only in (("peer", theirs - ours), ("ours", ours - theirs)):
        for page, url, text in sorted(only):
            yield {"only": name, "page": page, "url": url, "text": text}


def wat_records(n_pages: int, rng: random.Random) -> Iterator[bytes]:
    """A WAT file: gzip members of one record each."""
    yield _record("warcinfo", "", "application/warc-fields", b"format: WARC File Format 1.0\r\n")
    for number in range(n_pages):
        host = f"www.site{number % 700}.{rng.choice(('com', 'org', 'de', 'co.jp'))}"
        url = f"https://{host}/{rng.choice(PLACES)}/{number}.html"
        for kind in ("request", "response", "metadata"):
            body = json.dumps(
                _envelope(kind, url, rng), ensure_ascii=False, separators=(",", ":")
            ).encode()
            yield _record("metadata", url, "application/json", body)


def _record(kind: str, url: str, content_type: str, body: bytes) -> bytes:
    lines = [f"WARC/1.0\r\nWARC-Type: {kind}", "WARC-Date: 2024-05-31T01:17:49Z"]
    lines += [f"WARC-Target-URI: {url}"] if url else []
    lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}\r\n\r\n"]
    return gzip.compress("\r\n".join(lines).encode() + body + b"\r\n\r\n", 6)


def _envelope(kind: str, url: str, rng: random.Random) -> dict[str, object]:
    payload: dict[str, object] = {"Actual-Content-Type": f"application/http; msgtype={kind}"}
    if kind == "request":
        message = {"Method": "GET", "Path": "/" + url.split("/", 3)[3], "Version": "HTTP/1.1"}
        payload["HTTP-Request-Metadata"] = {"Request-Message": message, "Headers": HEADERS}
    elif kind == "metadata":
        payload = {
            "Actual-Content-Type": "application/metadata-fields",
            "WARC-Metadata-Metadata": {"Metadata-Records": [{"Name": "fetchTimeMs", "Value": "9"}]},
        }
    else:
        payload["HTTP-Response-Metadata"] = {
            "Response-Message": {"Status": "200", "Version": "HTTP/1.1", "Reason": "OK"},
            "Headers": HEADERS,
            "HTML-Metadata": _html(rng),
            "Entity-Length": "88099",
        }
    header = {
        "WARC-Type": kind,
        "WARC-Date": "2024-05-18T01:58:10Z",
        "WARC-Record-ID": f"<urn:uuid:{rng.getrandbits(128):032x}>",
        "WARC-Target-URI": url,
    }
    return {
        "Container": {"Filename": "CC-MAIN-00000.warc.gz", "Compressed": True, "Offset": "806"},
        "Envelope": {
            "Payload-Metadata": payload,
            "Format": "WARC/1.0",
            "WARC-Header-Length": "357",
            "WARC-Header-Metadata": header,
        },
    }


def _html(rng: random.Random) -> dict[str, object]:
    [(_, language)] = rng.choices(LANGUAGES, [weight for weight, _ in LANGUAGES])
    words = language.split()
    return {"Head": _head(rng, words), "Links": [_link(rng, words) for _ in range(144)]}


def _head(rng: random.Random, words: list[str]) -> dict[str, object]:
    metas = [{"name": "HTML@/lang", "content": "en-US"}]
    metas += [{"name": "description", "content": " ".join(rng.choices(words, k=20))}]
    metas += [{"property": "og:title", "content": " ".join(rng.choices(words, k=6))}]
    metas += [{"property": "og:image", "content": "https://www.example.com/lead.jpg"}]
    metas += [{"name": "robots", "content": "index, follow"}] if rng.random() < 0.58 else []
    links = [{"path": "LINK@/href", "url": f"/css/{i}.css", "rel": "stylesheet"} for i in range(5)]
    head: dict[str, object] = {
        "Title": " ".join(rng.choices(words, k=6)),
        "Metas": metas,
        "Link": links,
    }
    if rng.random() < 0.07:
        head["Base"] = "https://www.base.example/here/"
    return head


def _link(rng: random.Random, words: list[str]) -> dict[str, str]:
    if rng.random() >= 0.12:
        link = {"path": "A@/href", "url": _reference(rng, "html")}
        if rng.random() < 0.2:
            link["title"] = " ".join(rng.choices(words, k=4))
        if rng.random() < 0.8:
            link["text"] = " ".join(rng.choices(words, k=4))
        return link
    link = {"path": "IMG@/src", "url": _reference(rng, "jpg")}
    drawn = rng.random()
    if drawn < 0.8:
        text = " ".join(rng.choices(words, k=rng.randrange(1, 12)))
        link["alt"] = f" {text}\n" if drawn < 0.03 else text if drawn < 0.55 else ""
    if rng.random() < 0.15:
        link["title"] = " ".join(rng.choices(words, k=3))
    return link


def _reference(rng: random.Random, suffix: str) -> str:
    """Of the images of 284 real pages 54 % were absolute, 38 % root-relative, 4 % unclean."""
    name = f"{rng.choice(PLACES)}/{rng.getrandbits(48):x}-1024x768.{suffix}"
    drawn = rng.random()
    if drawn < 0.54:
        return f"https://cdn{rng.randrange(9)}.example.com/{name}"
    if drawn < 0.90:
        return f"/{name}"
    if drawn < 0.93:
        return f"//img.example.net/{name}?w=600&h=400"
    if drawn < 0.96:
        return name
    return rng.choice((f"../{name}", f" /{name} ", f"/bilder/für {name}", f"/{name}#top"))


if __name__ == "__main__":
    main()
