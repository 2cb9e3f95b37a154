"""Pairs per second through the filters, the exact deduplication and the search for near duplicates.

From Parquet to Parquet in one process, commits included. The captions are drawn from a small
vocabulary, a third of them repeats, a tenth of them junk: what alt texts of the web look like.
"""

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from measure import Cost, report
from webpairs_core.funnel import Funnel
from webpairs_core.keys import pair_key
from webpairs_core.ledger import DONE, Ledger
from webpairs_core.records import Pair, TextSource
from webpairs_core.schema import PAIRS, pairs_table, write_part
from webpairs_filters.duplicates.near import near_duplicates
from webpairs_pipeline.recipe import Recipe
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import STAGES, run_stage

SUBJECTS = ("dog", "cat", "house", "river", "mountain", "boat", "engineer", "bridge", "flower")
LOOKS = ("small", "old", "red", "quiet", "wooden", "bright", "famous", "broken", "open", "painted")
PLACES = ("a garden", "the city of Lyon", "the harbour at night", "a museum", "the desert")
JUNK = ("image", "IMG_1234.jpg", "logo", "", "untitled", "photo 3", "DSC_0042")
PART_ROWS = 50_000
Sections = tuple[dict[str, object], ...]
CHEAP: Sections = ({"use": "text_length"}, {"use": "text_junk"}, {"use": "url_junk"})
LANGUAGE: Sections = ({"use": "language", "keep": ["en"]},)


def pairs(n: int) -> Iterator[Pair]:
    """Pairs as the crawl of some thousand hosts finds them."""
    rng = random.Random(0)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    for i in range(n):
        number = rng.randrange(2 * n // 3)
        caption = random.Random(number)
        text = (
            f"A {caption.choice(LOOKS)} {caption.choice(SUBJECTS)} and a {caption.choice(LOOKS)} "
            f"{caption.choice(SUBJECTS)} in {caption.choice(PLACES)}, number {number}"
        )
        if caption.random() < 0.1:
            text = caption.choice(JUNK)
        url = f"https://img{number % 7}.host{number % 2003}.example/2026/01/{number:09}-large.jpg"
        yield Pair(
            key=pair_key(url, text),
            url=url,
            src_url=url,
            text=text,
            text_source=TextSource.ALT,
            page_url=f"https://www.host{number % 2003}.example/page/{i % 997}",
            position=i % 40,
            fetched_at=when,
        )


def crawled(out: Path, n: int) -> None:
    """A finished crawl of `n` pairs."""
    stage = Ledger(out).open_stage("crawl", "bench")
    rows = pairs(n)
    for part in range(-(-n // PART_ROWS)):
        name = f"pairs/part-{part:05d}.parquet"
        batch = list(islice(rows, PART_ROWS))
        with stage.unit(f"part-{part:05d}") as unit:
            unit.rows(name, write_part(unit.path(name), [pairs_table(batch)], PAIRS))
            unit.commit(Funnel("crawl", "pages", 0, 0))
    with stage.unit(DONE) as unit:
        unit.commit(Funnel("crawl", "pages", 0, 0))


def stage(name: str, out: Path, place: int, filters: Sections) -> None:
    """Run the stage at `place` and print its JSON line."""
    recipe = msgspec.convert({"name": "bench", "filters": filters}, Recipe)
    started = time.perf_counter(), time.process_time()
    made = run_stage(STAGES[place], Run(recipe=recipe, out=out, workers=1))
    finish(name, "pairs", made.funnels[0].rows_in, started)


def finish(name: str, unit: str, n: int, started: tuple[float, float]) -> None:
    """Print one JSON line for `n` units done since `started` (wall, CPU)."""
    wall_s = time.perf_counter() - started[0]
    cpu_s = time.process_time() - started[1]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report(name, unit, n, Cost(wall_s, cpu_s, peak_mb, {}))


def main() -> None:
    """Make pairs, filter them in each way, deduplicate, print a JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--language-pairs", type=int, default=20_000)
    parser.add_argument("--hashes", type=int, default=1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        many, few = Path(name) / "many", Path(name) / "few"
        crawled(many, args.pairs)
        crawled(few, args.language_pairs)
        stage("filter, with language", few, 1, CHEAP + LANGUAGE)
        stage("filter, without language", many, 1, CHEAP)
        stage("exact duplicates and fetch order", many, 2, ())
    phashes = np.random.default_rng(0).integers(0, 2**64, args.hashes, dtype=np.uint64)
    started = time.perf_counter(), time.process_time()
    near_duplicates(phashes, np.arange(args.hashes), 4)
    finish("near duplicates at distance 4", "hashes", args.hashes, started)


if __name__ == "__main__":
    main()
