"""The crawl stage: pages of the live web, archives of it, and tables made elsewhere become parts of
pairs. Any mix of the three; each has a funnel of its own, for they count different things.

The live crawl comes first: its parts are cut by what the web gives, while each archive and each
table is a unit that knows its name beforehand.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from webpairs_core.errors import NothingLeft, RecipeError
from webpairs_core.files import remove_tree
from webpairs_core.funnel import Funnel, merge
from webpairs_core.ledger import Commit, Stage
from webpairs_crawler.web.guard import make_guard
from webpairs_pipeline import archive_units, table_units
from webpairs_pipeline.archive_units import archive_tasks, read_archive_unit
from webpairs_pipeline.crawl_inputs import crawl_inputs
from webpairs_pipeline.input_unit import read_files
from webpairs_pipeline.live_crawl import crawl_live, live_commits, live_plan
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.serve import serving
from webpairs_pipeline.table_units import read_table_unit, table_tasks

_LIVE = "live"
"""The unit that says that nothing is left to ask the web for."""


def run(run: Run, stage: Stage) -> Made:
    """Crawl, and read the archives and tables, that the recipe names.

    Raises RecipeError when it names none, CrawlError when no page could be had from any seed,
    NothingLeft when there is no image with a text in all of them.
    """
    section = run.recipe.crawl
    make_guard(section.private_networks)
    inputs = crawl_inputs(stage, section)
    with serving(run.recipe.serve, run.out) as web:
        plan = live_plan(run, web.seeds)
        if not (plan or inputs.archives or inputs.tables):
            raise RecipeError(
                "there is nothing to crawl: set crawl.seeds (or crawl.seeds_file), crawl.warc or "
                "crawl.tables"
            )
        if plan and not stage.is_done(_LIVE):
            crawl_live(run, stage, plan)
            with stage.unit(_LIVE) as unit:
                unit.commit()
    remove_tree(stage.work)  # the frontier: nothing is left to ask for
    archives = archive_tasks(stage, section, inputs.archives)
    tables = table_tasks(stage, inputs.tables)
    live = live_commits(stage)
    from_archives = read_files(read_archive_unit, archives, run, archive_units.NOUN)
    from_tables = read_files(read_table_unit, tables, run, table_units.NOUN)
    funnels = tuple(_funnel(c) for c in (live, from_archives, from_tables) if c)
    info = _sum(live, from_archives, from_tables)
    if not info["n_pairs"]:
        raise NothingLeft(_nothing(funnels))
    return Made(path=run.out / "pairs", funnels=funnels, info=info)


def _funnel(commits: Iterable[Commit]) -> Funnel:
    return merge(commit.funnels[0] for commit in commits)


def _sum(live: list[Commit], archives: list[Commit], tables: list[Commit]) -> dict[str, Any]:
    """The facts of the report; those of a way that was not gone are left out."""
    seen = [commit.info for commit in (*live, *archives)]
    made: dict[str, Any] = {
        "n_pairs": sum(commit.info["n_pairs"] for commit in (*live, *archives, *tables))
    }
    if seen:
        made["n_images"] = sum(info["n_images"] for info in seen)
        made["unpaired"] = _counts(info["unpaired"] for info in seen)
    if live:
        made["n_hosts"] = len({host for commit in live for host in commit.info["hosts"]})
    if archives:
        made["n_archives"] = len(archives)
        made["other_records"] = _counts(commit.info["other_records"] for commit in archives)
    if tables:
        made["n_tables"] = len(tables)
        made["n_shortened_extras"] = sum(c.info["n_shortened_extras"] for c in tables)
    return made


def _counts(each: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in each:
        total.update(counts)
    return dict(sorted(total.items()))


def _nothing(funnels: Iterable[Funnel]) -> str:
    read = " and ".join(f"{funnel.kept:,} {funnel.noun}" for funnel in funnels)
    return (
        f"the {read} that were read hold no image with a text: try other seeds, a larger "
        "crawl.max_depth, more sources in crawl.texts, or other files"
    )
