"""Pages of the live web become parts of pairs.

The spider works in a process of its own, which commits each part itself; this module starts it and
shows how it gets on.
"""

import re
import signal
from collections.abc import Iterable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from webpairs_core.errors import CrawlError, WebpairsError
from webpairs_core.funnel import merge
from webpairs_core.ledger import Commit, Stage
from webpairs_core.progress import Progress
from webpairs_crawler.frontier.plan import CrawlPlan
from webpairs_crawler.frontier.seeds import seeds_of
from webpairs_crawler.live.page_parts import PageRow, committed_pages
from webpairs_crawler.live.progress import CrawlProgress
from webpairs_pipeline.run import Run

_LIVE_UNIT = re.compile(r"part-\d+\Z")
_STOP_S = 30.0
"""How long the crawling process may take to commit what it has when it is interrupted."""

_WHY = {
    "dns": "its host name is not known",
    "connect": "the connection was refused",
    "tls": "its certificate is not valid",
    "timeout": "it did not answer in time",
    "http_4xx": "the server says there is no such page",
    "http_5xx": "the server failed",
    "refused_private": "its address is private, and crawl.private_networks does not list it",
    "robots": "its robots.txt forbids it",
    "not_html": "it is no HTML page",
    "redirect": "it leads to a place that crawl.allowed_domains does not hold",
    "too_large": "it is larger than crawl.max_page_bytes",
}


def live_plan(run: Run, served: Iterable[str]) -> CrawlPlan | None:
    """The plan of the recipe's live crawl; None without a seed, which is no mistake.

    Raises RecipeError for a seed that is no URL and for a file of seeds that cannot be read.
    """
    section = run.recipe.crawl
    plan = CrawlPlan(
        seeds=(*section.seeds, *served),
        seeds_file=section.seeds_file,
        max_pages=min(section.max_pages, run.limit or section.max_pages),
        max_depth=section.max_depth,
        allowed_domains=section.allowed_domains,
        per_host=section.per_host,
        order=section.order,
        delay_s=section.delay_s,
        autothrottle=section.autothrottle,
        retries=section.retries,
    )
    n_seeds = sum(1 for _ in seeds_of(plan))
    return plan if n_seeds else None


def crawl_live(run: Run, stage: Stage, plan: CrawlPlan) -> None:
    """Crawl by this plan, or go on where an earlier run stopped.

    Raises CrawlError when no page could be had from any.
    """
    _crawl(run, stage, plan)
    funnel = merge(commit.funnels[0] for commit in live_commits(stage))
    if not funnel.kept:
        sentence = _why_no_page(seeds_of(plan), {row.url: row for row in committed_pages(stage)})
        # Else the next run would find all pages answered, and fail without asking.
        run.ledger.reset(stage.name)
        raise CrawlError(sentence)


def live_commits(stage: Stage) -> list[Commit]:
    """What the live crawl committed so far, part by part."""
    return [commit for commit in stage.commits() if _LIVE_UNIT.match(commit.unit)]


def _crawl(run: Run, stage: Stage, plan: CrawlPlan) -> None:
    """Run the crawling process to its end. Raises what it raised."""
    # Here because it brings Scrapy, which a run without seeds does not need.
    from webpairs_crawler.live.spider import CrawlJob, crawl_pages

    job = CrawlJob(section=run.recipe.crawl, plan=plan, stage=stage)
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=crawl_pages, args=(job, theirs), name="crawl")
    _start_deaf_to_interrupts(process)
    theirs.close()
    try:
        _follow(ours)
        process.join()
    except KeyboardInterrupt:
        process.terminate()
        process.join(_STOP_S)
        raise
    finally:
        process.kill()
        process.join()
        process.close()


def _start_deaf_to_interrupts(process: BaseProcess) -> None:
    # Ctrl-C goes to the whole terminal group; the child commits on the SIGTERM that we send it.
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, heard)


def _follow(channel: Connection) -> None:
    """Show the child's progress until it says that it is done. Raises what went wrong there."""
    shown = CrawlProgress(0, 0, 0)
    with Progress("crawl", "pages") as progress:
        while True:
            try:
                message = channel.recv()
            except EOFError:
                raise WebpairsError(
                    "the crawling process died (out of memory, or killed): run the same command "
                    "again, it goes on from the last committed part"
                ) from None
            if message is None:
                return
            if isinstance(message, BaseException):
                raise message
            progress.add(message.n_pages - shown.n_pages, message.note)
            shown = message


def _why_no_page(seeds: Iterable[str], rows: dict[str, PageRow]) -> str:
    """One sentence on why the first seed that was asked for (crawl.max_pages may be smaller than
    their number) gave nothing, followed through its redirects."""
    seed = next(url for url in seeds if url in rows)
    row = rows[seed]
    followed = {seed}
    while (target := _target(row)) in rows and target not in followed:
        followed.add(target)
        row = rows[target]
    status = f" (HTTP {row.http_status})" if row.http_status >= 400 else ""
    why = _WHY.get(row.outcome, f"its outcome is {row.outcome}")
    if target in followed:
        why = "its redirects lead in a circle"
    return f"no page could be read from {seed}: {why}{status}; check crawl.seeds and run again"


def _target(row: PageRow) -> str:
    """Where a page redirects to; empty for one that does not."""
    return row.links[0] if row.outcome == "redirect" and row.links else ""
