"""Pairs → filtered pairs and rejects, part by part.

First go the pairs whose page opts out (the recipe's `crawl.optout` says which signals count), then
the recipe's filters speak in their order. How the pairs lie in parts decides nothing but the work:
the dedup stage sorts them all.
"""

from collections import Counter
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from webpairs_core.errors import NothingLeft
from webpairs_core.funnel import Funnel, merge
from webpairs_core.ledger import DONE, Stage
from webpairs_core.progress import Progress
from webpairs_core.schema import CANDIDATES, PAIRS, REJECTS, PartWriter, read_part
from webpairs_crawler.options import OptoutPolicy
from webpairs_crawler.optout.signals import forbids
from webpairs_crawler.web.urls import registrable_domain
from webpairs_filters.catalog import OfPairs
from webpairs_filters.chain import Judged, candidates, judge, split
from webpairs_filters.examples import Examples
from webpairs_filters.user_lists import check_lists
from webpairs_pipeline.engine import run_units
from webpairs_pipeline.input_parts import input_parts
from webpairs_pipeline.rules_report import EXAMPLES_FOLDER
from webpairs_pipeline.run import Made, Run

# Of a canonical URL, which has neither credentials nor upper case here (WHATWG URL, section 4.5).
_HOST = r"^[a-z]+://(?P<host>\[[^\]]*\]|[^/?#:]*)"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One part to filter."""

    stage: Stage
    part: Path
    n_rows: int
    """Rows to take, from the first on."""
    optout: OptoutPolicy
    filters: tuple[OfPairs, ...]


def run(run: Run, stage: Stage) -> Made:
    """Filter every part of pairs that is not done yet; raise NothingLeft when no pair is kept."""
    recipe = run.recipe
    # Those of later stages, too: better now than after a fetch of days.
    later = [*recipe.blocklist.files, *filter(None, [recipe.balance.entries])]
    check_lists([path for each in recipe.pair_filters for path in each.files()] + later)
    tasks = _tasks(run, stage)
    left = [task for task in tasks if not stage.is_done(task.part.stem)]
    with Progress("filter", "pairs", sum(task.n_rows for task in left)) as progress:
        for n_rows in run_units(filter_part, left, run.workers):
            progress.add(n_rows)
    commits = [commit for commit in stage.commits() if commit.unit != DONE]
    funnel = merge([Funnel("filter", "pairs", 0, 0), *(f for c in commits for f in c.funnels)])
    if not funnel.kept:
        raise NothingLeft(_nothing(funnel))
    languages: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for commit in commits:
        languages.update(commit.info["languages"])
        alone.update(commit.info["alone"])
    info = {
        "languages": dict(sorted(languages.items(), key=lambda item: (-item[1], item[0]))),
        "rules": {
            reason: {"first": funnel.rejected.get(reason, 0), "alone": alone[reason]}
            for each in run.recipe.pair_filters
            for reason in each.reasons
        },
    }
    return Made(path=run.out / "rejects" / "filter", funnels=(funnel,), info=info)


def filter_part(task: Task) -> int:
    """Filter one part, commit it, return the rows it had."""
    name = f"{task.part.stem}.parquet"
    kept_path, rejects_path = f"run/filtered/{name}", f"rejects/filter/{name}"
    examples_path = f"{EXAMPLES_FOLDER}{task.part.stem}.json"
    reasons: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    examples: Examples = {}
    with task.stage.unit(task.part.stem) as unit:
        with (
            PartWriter(unit.path(kept_path), CANDIDATES) as kept,
            PartWriter(unit.path(rejects_path), REJECTS) as rejects,
        ):
            n_left = task.n_rows
            for batch in read_part(task.part, PAIRS):
                opted_out, judged = _judge(task, batch[:n_left], examples)
                examples = judged.examples
                alone.update(judged.alone)
                kept.write(judged.kept)
                for dropped in (opted_out, judged.rejects):
                    rejects.write(dropped)
                    reasons.update(dropped["reason"].to_pylist())
                languages.update(judged.kept["lang"].to_pylist())
                n_left -= min(n_left, len(batch))
        unit.path(examples_path).write_bytes(msgspec.json.encode(examples))
        unit.rows(kept_path, kept.rows)
        unit.rows(rejects_path, rejects.rows)
        unit.commit(
            Funnel("filter", "pairs", task.n_rows, kept.rows, dict(reasons)),
            info={"languages": dict(languages), "alone": dict(alone)},
        )
    return task.n_rows


def _tasks(run: Run, stage: Stage) -> list[Task]:
    return [
        Task(
            stage=stage,
            part=part.path,
            n_rows=part.n_rows,
            optout=run.recipe.crawl.optout,
            filters=run.recipe.pair_filters,
        )
        for part in input_parts(run, "crawl", "pairs/", PAIRS)
    ]


def _judge(task: Task, pairs: pa.RecordBatch, examples: Examples) -> tuple[pa.Table, Judged]:
    """The rows that opt out, and what the filters say of the others: no rule judges a pair whose
    page forbids its use, and none is shown as an example."""
    batch = candidates(pairs, _hosts(pairs["url"]))
    batch, opted_out = split(batch, _opted_out(pairs["optout"], task.optout))
    return opted_out, judge(task.filters, batch, examples)


def _hosts(urls: pa.Array) -> pa.Array:
    """The registrable domain of each URL; each host is looked up once."""
    names = pc.extract_regex(urls, _HOST).field("host").dictionary_encode()
    domains = [registrable_domain(name) for name in names.dictionary.to_pylist()]
    return pa.array(domains, pa.string()).take(names.indices)


def _opted_out(signals: pa.ListArray, policy: OptoutPolicy) -> pa.Array:
    reasons = [
        "opted_out" if found and forbids(found, policy) else None for found in signals.to_pylist()
    ]
    return pa.array(reasons, pa.string())


def _nothing(funnel: Funnel) -> str:
    if not funnel.rows_in:
        return (
            "the crawl found no image with a text, so there is nothing to filter: look at the "
            "report, then at seeds, max_depth and texts in [crawl]"
        )
    reason, n_rows = next(iter(funnel.rejected.items()))
    return (
        f"the filters kept none of {funnel.rows_in:,} pairs; the most frequent reason is {reason} "
        f"({n_rows:,}): loosen the [[filters]] of the recipe"
    )
