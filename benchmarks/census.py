"""What each source adds on real pages: `census.py DATA/warc` prints a Markdown table.

The baseline is what most collectors read: `img src + alt`. A pair is good when its text has at
least five characters, two letters side by side and is no file name, and its URL is not named like a
placeholder. A pair counts once for each page. Sources are asked in the order of the table, and a
pair is new when no source above it gave the image this text. "New texts" is the stricter count: no
image of the page had the text so far. `og_title` stands apart, below the total: it is the title of
the page, not a text of the image.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path

import msgspec
from selectolax.lexbor import LexborHTMLParser

from real_pages import RealPage, real_pages
from webpairs_core.records import Pair, TextSource
from webpairs_core.text import normalise_text
from webpairs_crawler.page.candidates import is_placeholder
from webpairs_crawler.page.extract import PageSource, read_page
from webpairs_crawler.web.encoding import utf8_page
from webpairs_crawler.web.urls import join

ORDER = (
    TextSource.ALT,
    TextSource.FIGCAPTION,
    TextSource.CAPTION_CLASS,
    TextSource.TITLE,
    TextSource.ARIA,
    TextSource.DATA_ATTR,
    TextSource.ANCHOR,
    TextSource.JSON_LD,
    TextSource.OG,
    TextSource.OG_TITLE,
)
BASELINE = "img src + alt"
LAZY = "alt: lazy attributes, srcset, picture, noscript"
_LETTERS = re.compile(r"[^\W\d_]{2}")
_FILE_NAME = re.compile(
    r"\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|avif)\Z|\A(?:img|dsc[nf]?)[_-]?\d+\Z", re.I
)


class Count(msgspec.Struct):
    """What one source gave on all pages."""

    pairs: int = 0
    pages: int = 0
    texts: int = 0


def is_good(url: str, text: str) -> bool:
    """Whether a pair counts."""
    return (
        len(text) >= 5
        and _LETTERS.search(text) is not None
        and _FILE_NAME.search(text) is None
        and not is_placeholder(url)
    )


def baseline(page: RealPage) -> set[tuple[str, str]]:
    """The good pairs of img elements with src and alt: a browser's view, without noscript."""
    tree = LexborHTMLParser(utf8_page(page.html, dict(page.headers).get("Content-Type", "")))
    hidden = {node.mem_id for node in tree.css("noscript img")}
    bases = (join(page.url, node.attributes.get("href") or "") for node in tree.css("base[href]"))
    base = next((url for url in bases if url), page.url)
    found = set()
    for node in tree.css("img[src][alt]"):
        src = (node.attributes.get("src") or "").strip()
        url = join(base, src) if src else None
        text = normalise_text(node.attributes.get("alt") or "")
        if url and node.mem_id not in hidden and is_good(url, text):
            found.add((url, text))
    return found


def count_page(page: RealPage, counts: dict[str, Count]) -> tuple[int, int]:
    """Add one page to the counts; return its images and how many of them got a better URL."""
    plain = baseline(page)
    read = read_page(page.html, PageSource(url=page.url, headers=page.headers, texts=ORDER))
    new: dict[str, set[tuple[str, str]]] = {BASELINE: plain}
    upgraded = set()
    for pair in read.pairs:
        if not is_good(pair.url, pair.text):
            continue
        if pair.text_source is TextSource.ALT and (pair.src_url, pair.text) in plain:
            if pair.url != pair.src_url:
                upgraded.add((pair.src_url, pair.text))
            continue
        new.setdefault(name_of(pair), set()).add((pair.url, pair.text))
    texts: set[str] = set()
    for name in (BASELINE, LAZY, *ORDER[1:]):
        pairs = new.get(name, set())
        if pairs:
            fresh = {text for _, text in pairs} - texts
            counts[name].pairs += len(pairs)
            counts[name].pages += 1
            counts[name].texts += len(fresh)
            texts |= fresh
    return read.n_images, len(upgraded)


def name_of(pair: Pair) -> str:
    """The row of the table that a pair belongs to, when the baseline does not have it."""
    return LAZY if pair.text_source is TextSource.ALT else str(pair.text_source)


def main() -> None:
    """Count, then print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("warc", type=Path, help="the folder with the WARC files")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    args = parser.parse_args()
    counts = {str(name): Count() for name in (BASELINE, LAZY, *ORDER[1:])}
    n_images = n_upgraded = 0
    sources: Counter[str] = Counter()
    for page in real_pages(args.warc):
        images, upgraded = count_page(page, counts)
        n_images, n_upgraded = n_images + images, n_upgraded + upgraded
        sources[page.source] += 1
    n_baseline = counts[BASELINE].pairs
    strong = [name for name in counts if name not in (BASELINE, TextSource.OG_TITLE)]
    n_new = sum(counts[name].pairs for name in strong)
    if args.json:
        facts: dict[str, object] = {"pages": sources.total(), "baseline": n_baseline, "new": n_new}
        facts |= {"gain": n_new / n_baseline, "upgraded": n_upgraded}
        print(
            json.dumps(facts | {"sources": {k: msgspec.to_builtins(v) for k, v in counts.items()}})
        )
        return
    print(f"{sources.total()} pages, {n_images:,} images named")
    print("\n| source | new good pairs | pages | share of baseline | new texts |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in (BASELINE, *strong):
        print(row(name, counts[name], n_baseline))
    n_texts = sum(counts[name].texts for name in strong)
    print(
        f"| **all of these** | **{n_new:,}** | | **+{n_new / n_baseline:.1%}** | **{n_texts:,}** |"
    )
    print(row("og_title (weak: the page's title)", counts[TextSource.OG_TITLE], n_baseline))
    share = n_upgraded / n_baseline
    print(f"\n{n_upgraded:,} baseline pairs ({share:.1%}) get a larger image than their src.")


def row(name: str, count: Count, n_baseline: int) -> str:
    """One line of the table."""
    sign = "" if name == BASELINE else "+"
    share = f"{sign}{count.pairs / n_baseline:.1%}"
    return f"| {name} | {count.pairs:,} | {count.pages:,} | {share} | {count.texts:,} |"


if __name__ == "__main__":
    main()
