"""Crawls through the crawl stage, for the tests of the live crawl."""

from pathlib import Path
from typing import Any

from hostile_web import Answer, HostileWeb, answer
from webpairs_core.schema import PAGES, PAIRS, read_table
from webpairs_crawler.options import CrawlSection
from webpairs_pipeline.recipe import Recipe
from webpairs_pipeline.run import Made, Run
from webpairs_pipeline.stages import STAGES, run_stage

HTML = ("Content-Type: text/html; charset=utf-8",)
IMG = "<img src=/i.jpg alt='a red door'>"


def html(text: str, *headers: str) -> Answer:
    return answer(text.encode(), headers=(*HTML, *headers))


def links(*hrefs: str) -> Answer:
    return html(IMG + "".join(f"<a href='{href}'>x</a>" for href in hrefs))


class Crawl:
    """One crawl into a folder, with what it left."""

    def __init__(self, out: Path, *seeds: str, limit: int | None = None, **section: Any) -> None:
        values: dict[str, Any] = {"private_networks": ("127.0.0.0/8", "::1/128"), "retries": 0}
        values |= {"timeout_s": 5.0, "seeds": seeds, "site_files": ()} | section
        recipe = Recipe(name="test", crawl=CrawlSection(**values))
        self.out = out
        self.run = Run(recipe=recipe, out=out, workers=1, limit=limit)
        self.made: Made = run_stage(STAGES[0], self.run)

    def rows(self, kind: str) -> list[dict[str, Any]]:
        schema = PAGES if kind == "pages" else PAIRS
        entries = self.run.ledger.outputs("crawl", f"{kind}/")
        return [r for e in entries for r in read_table(self.out / e.path, schema).to_pylist()]

    def outcomes(self, web: HostileWeb) -> dict[str, str]:
        return {row["url"].removeprefix(web.url("")): row["outcome"] for row in self.rows("pages")}
