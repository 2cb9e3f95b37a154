"""What the pipeline must make of the demo web: the fate of every page and every image reference.

Declared while the web is generated, never read back from its HTML; so it is an independent account.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from webpairs_filters.duplicates.keeper import best_first


class PageTruth(msgspec.Struct, frozen=True):
    """What the crawl must say about one URL that it asks for."""

    url: str
    outcome: str = "ok"
    unpaired: dict[str, int] = {}
    """Image references that make no pair, by reason."""


class PairTruth(msgspec.Struct, frozen=True, kw_only=True):
    """What must become of one image reference that makes a pair."""

    page_url: str
    flaw: str
    """The name of what is special about it; `plain` for nothing."""
    url: str
    text: str
    key: bytes
    stage: str = ""
    """The stage that rejects it; empty when it ends as a sample."""
    reason: str = ""
    group: int = -1
    """Pairs with the same number show near-duplicates of one picture."""
    n_pixels: int = 0


class Truth(msgspec.Struct, frozen=True):
    """All of it."""

    pages: tuple[PageTruth, ...]
    pairs: tuple[PairTruth, ...]
    forbidden: tuple[str, ...]
    """Places (`127.0.0.2/path`) that nobody may ask for."""

    def samples(self) -> dict[bytes, PairTruth]:
        """The pairs that end in a shard, by key."""
        return {pair.key: pair for pair in self.pairs if not pair.reason}

    def rejects(self) -> Counter[tuple[bytes, str, str]]:
        """How often each (key, stage, reason) must stand in the rejects."""
        return Counter((pair.key, pair.stage, pair.reason) for pair in self.pairs if pair.reason)


def settle(pairs: Iterable[PairTruth]) -> tuple[PairTruth, ...]:
    """Decide what depends on other pairs: which repeat of a pair and which near-duplicate stays.

    Of one key, one goes on and the others are exact duplicates. Of one file and of a group of
    pictures, the one with most pixels stays, then the one that says most, then the smallest key.
    """
    settled: list[PairTruth] = []
    seen: set[bytes] = set()
    groups: dict[int, list[PairTruth]] = defaultdict(list)
    for pair in pairs:
        before_dedup = pair.stage in ("", "fetch", "plan")
        if before_dedup and pair.key in seen:
            settled.append(_rejected(pair, "dedup", "duplicate_pair"))
            continue
        if before_dedup:
            seen.add(pair.key)
        if pair.group >= 0 and not pair.reason:
            groups[pair.group].append(pair)
        else:
            settled.append(pair)
    for group in groups.values():
        group.sort(key=lambda pair: best_first((pair.n_pixels, 1), pair.text, pair.key))
        files: set[str] = set()
        for pair in group:
            if pair is group[0]:
                settled.append(pair)
            else:
                is_equal = pair.url in files
                reason = "duplicate_image" if is_equal else "near_duplicate"
                settled.append(_rejected(pair, "plan", reason))
            files.add(pair.url)
    return tuple(settled)


def _rejected(pair: PairTruth, stage: str, reason: str) -> PairTruth:
    return msgspec.structs.replace(pair, stage=stage, reason=reason)
