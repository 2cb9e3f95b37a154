"""One run: what each stage is given, and what it gives back."""

from pathlib import Path
from typing import Any

import msgspec

from webpairs_core.funnel import Funnel
from webpairs_core.ledger import Ledger
from webpairs_pipeline.recipe import Recipe


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage may know."""

    recipe: Recipe
    out: Path
    workers: int
    """Processes that the stage may use; never changes what it makes."""
    retry: frozenset[str] = frozenset()
    """Outcomes of a finished fetch that are tried again."""
    sources: tuple[Path, ...] = ()
    """What `webpairs pack` packs, absolute."""
    image_column: str = ""
    caption_column: str = ""
    """Of the tables among them; empty: guessed by their names."""
    limit: int | None = None
    """At most this many of the stage's inputs (pages, pairs, candidates, samples, steps)."""

    @property
    def ledger(self) -> Ledger:
        """The commits of this OUT."""
        return Ledger(self.out)


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished stage made."""

    path: Path
    """What a person would open next."""
    funnels: tuple[Funnel, ...]
    info: dict[str, Any] = {}
    """Facts for the report: rates, counts, scores. JSON-like."""
