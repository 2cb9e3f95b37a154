"""The funnel: every row that enters a stage leaves it as kept or as rejected with a reason."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from webpairs_core.errors import WebpairsError


class Funnel(msgspec.Struct, frozen=True):
    """Row counts of one stage (or one unit of it)."""

    stage: str
    noun: str
    """What is counted, in the plural: pages, pairs, candidates, samples."""
    rows_in: int
    kept: int
    rejected: dict[str, int] = {}
    """Rows by snake_case reason, from the stage's closed list."""

    def check(self) -> "Funnel":
        """Return self if the counts add up; raise `WebpairsError` (a bug) if they do not."""
        is_negative = min(self.kept, *self.rejected.values(), 0) < 0
        if is_negative or self.rows_in != self.kept + sum(self.rejected.values()):
            raise WebpairsError(
                f"the funnel of stage {self.stage} does not add up: {self.rows_in} in, "
                f"{self.kept} kept, {sum(self.rejected.values())} rejected; please report this"
            )
        return self


def merge(funnels: Iterable[Funnel]) -> Funnel:
    """The sum of the funnels of a stage's units; at least one is needed."""
    parts = list(funnels)
    rejected: Counter[str] = Counter()
    for part in parts:
        rejected.update(part.rejected)
    return Funnel(
        parts[0].stage,
        parts[0].noun,
        sum(p.rows_in for p in parts),
        sum(p.kept for p in parts),
        dict(sorted(rejected.items(), key=lambda item: (-item[1], item[0]))),
    ).check()


def table(funnel: Funnel) -> str:
    """The funnel as lines for a person, most frequent reason first."""
    lines = [f"{funnel.stage}: {funnel.rows_in:,} {funnel.noun} in"]
    total = max(funnel.rows_in, 1)
    for reason, n in sorted(funnel.rejected.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"  - {reason:<24}{n:>12,}  {n / total:6.1%}")
    lines.append(f"  = {'kept':<24}{funnel.kept:>12,}  {funnel.kept / total:6.1%}")
    return "\n".join(lines)
