"""How a crawl gets on, for whoever watches it."""

import time
from collections import Counter

import msgspec

from webpairs_core.records import Outcome
from webpairs_crawler.frontier.frontier import Frontier
from webpairs_crawler.frontier.plan import REDIRECT

_TELL_EVERY_S = 0.5
_NO_ERRORS = frozenset([Outcome.OK, REDIRECT, "not_html", "sitemap"])
_SHOWN_ERRORS = 3


class CrawlProgress(msgspec.Struct, frozen=True):
    """What the crawling process tells while it works; counted since it started."""

    n_pages: int
    n_pairs: int
    n_queued: int
    n_hosts: int = 0
    """With something queued or in flight."""
    n_in_flight: int = 0
    errors: dict[str, int] = {}
    """Pages that could not be had, by outcome."""

    @property
    def note(self) -> str:
        """In words, to stand behind the number of pages and their rate."""
        words = [
            f"{self.n_pairs:,} pairs",
            f"{self.n_hosts:,} hosts",
            f"{self.n_queued:,} queued",
        ]
        errors = sorted(self.errors.items(), key=lambda item: (-item[1], item[0]))
        words += [f"{n:,} {outcome}" for outcome, n in errors[:_SHOWN_ERRORS]]
        n_others = sum(n for _, n in errors[_SHOWN_ERRORS:])
        if n_others:
            words.append(f"{n_others:,} other errors")
        return ", ".join(words)


class Tally:
    """Counts what was answered."""

    def __init__(self, frontier: Frontier) -> None:
        self._frontier = frontier
        self._n_pages = self._n_pairs = 0
        self._errors: Counter[str] = Counter()
        self._told_at = 0.0

    @property
    def progress(self) -> CrawlProgress:
        """How it stands now."""
        return CrawlProgress(
            self._n_pages,
            self._n_pairs,
            self._frontier.n_queued,
            self._frontier.n_hosts,
            self._frontier.n_in_flight,
            dict(self._errors),
        )

    def count(self, outcome: str, n_pairs: int) -> CrawlProgress | None:
        """Count an answer; the progress when it is time to tell it."""
        self._n_pages += 1
        self._n_pairs += n_pairs
        if outcome not in _NO_ERRORS:
            self._errors[outcome] += 1
        now = time.monotonic()
        if now - self._told_at < _TELL_EVERY_S:
            return None
        self._told_at = now
        return self.progress
