"""What each rule of the filters costs on a CPU, and all text rules together in one chain.

The texts are the alts of the real pages in a folder of sites (18f, howtocook, iot: sentences,
Chinese dish names, product names; the sites of formulas are left out), with the URLs that their
pages give. Batches of 8,192 rows as the filter stage reads them; a text stands in a batch as often
as on the pages. Three figures: each rule by itself where another one has cut the texts into words
before; all text rules, the cutting into words included; and `chain.judge`, which also parts the
rows, counts each rule alone and keeps examples.
"""

import argparse
import json
import random
import resource
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from selectolax.lexbor import LexborHTMLParser

from webpairs_core.keys import pair_key
from webpairs_core.records import Pair, TextSource
from webpairs_core.schema import PAIRS, pairs_table
from webpairs_core.text import normalise_text
from webpairs_filters.base import PairFilter
from webpairs_filters.chain import candidates, judge
from webpairs_filters.examples import Examples
from webpairs_filters.text.junk import TextJunk
from webpairs_filters.text.length import TextLength, TextWords
from webpairs_filters.text.repetition import RepeatedChars, RepeatedPhrases, RepeatedWords
from webpairs_filters.text.shape import Capitals, SpecialChars
from webpairs_filters.text.vocabulary import StopWords
from webpairs_filters.url.junk import UrlJunk
from webpairs_filters.url.parts import UrlParts

SITES = ("18f", "howtocook", "iot")
BATCH_ROWS = 8_192
TEXT_RULES: tuple[PairFilter, ...] = (
    TextLength(),
    TextWords(),
    TextJunk(),
    RepeatedWords(),
    RepeatedChars(),
    RepeatedPhrases(),
    SpecialChars(),
    Capitals(),
    StopWords(),
)
URL_RULES: tuple[PairFilter, ...] = (
    UrlJunk(),
    UrlParts(deny_endings=("svg", "gif"), max_host_chars=60),
)


def alts(folder: Path) -> Iterator[tuple[str, str]]:
    """Text and URL of each image with an alt."""
    for site in SITES:
        for page in sorted((folder / site).rglob("*.html")):
            for image in LexborHTMLParser(page.read_bytes()).css("img"):
                text = normalise_text(image.attributes.get("alt") or "")
                if text:
                    name = (image.attributes.get("src") or "").split("/")[-1]
                    yield text, f"https://www.{site}.example/{page.parent.name}/{name}"


def batches(folder: Path, n: int) -> list[pa.RecordBatch]:
    """`n` batches of these pairs, in an order drawn by lot, each pair as often as another."""
    rng = random.Random(0)
    found = list(alts(folder))
    rows: list[tuple[str, str]] = []
    while len(rows) < n * BATCH_ROWS:
        rng.shuffle(found)
        rows += found
    made = []
    for start in range(0, n * BATCH_ROWS, BATCH_ROWS):
        pairs = [pair(text, url) for text, url in rows[start : start + BATCH_ROWS]]
        table = pairs_table(pairs).combine_chunks()
        columns = [column.combine_chunks() for column in table.columns]
        batch = pa.RecordBatch.from_arrays(columns, schema=PAIRS)
        made.append(candidates(batch, pa.repeat("site.example", len(batch))))
    return made


def pair(text: str, url: str) -> Pair:
    """A pair as the crawl makes it."""
    return Pair(
        key=pair_key(url, text),
        url=url,
        src_url=url,
        text=text,
        text_source=TextSource.ALT,
        page_url="https://www.site.example/",
        fetched_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def cpu_s(work: Callable[[], object], rounds: int) -> float:
    """The least CPU seconds of a round, after one that fills the caches."""
    work()
    spent = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)


def show(name: str, n: int, cost_s: float) -> None:
    """One JSON line."""
    facts = {"name": name, "per_cpu_s": round(n / cost_s), "us": round(1e6 * cost_s / n, 3)}
    print(json.dumps(facts))


def main() -> None:
    """Time the rules, print a JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sites", type=Path, nargs="?", default=Path("../shared/data/site"))
    parser.add_argument("--batches", type=int, default=8, help="two or more: one is remembered")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    given = batches(args.sites, args.batches)
    n = args.batches * BATCH_ROWS
    n_chars = sum(len(text) for batch in given for text in batch["text"].to_pylist())
    print(json.dumps({"rows": n, "mean_chars": round(n_chars / n, 1)}))

    def chain(filters: tuple[PairFilter, ...]) -> None:
        known: Examples = {}
        for batch in given:
            known = judge(filters, batch, known).examples

    first = given[0]
    for each in TEXT_RULES + URL_RULES:

        def one(each: PairFilter = each) -> None:
            each.reject_batch(first)

        show(type(each).__name__, len(first), cpu_s(one, 4 * args.rounds))
    for name, filters in (("text rules", TEXT_RULES), ("text and URL", TEXT_RULES + URL_RULES)):

        def together(filters: tuple[PairFilter, ...] = filters) -> None:
            for batch in given:
                for each in filters:
                    each.reject_batch(batch)

        def judged(filters: tuple[PairFilter, ...] = filters) -> None:
            chain(filters)

        show(f"{name} together", n, cpu_s(together, args.rounds))
        show(f"{name} in a chain, with the funnel by rule", n, cpu_s(judged, args.rounds))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mb": round(peak)}))


if __name__ == "__main__":
    main()
