"""What a check has to say: observations, gathered into findings, gathered into a report.

A million equal observations are one finding with a count and the first few places, so that memory
and report stay small whatever is wrong.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from webpairs_shards.check.consumers import Effect, effects_of
from webpairs_shards.check.kinds import KINDS, Severity

N_PLACES = 5
"""How many places a finding names."""
_MAX_TEXT = 300
"""Characters of a name or a sentence that come from the data."""


class Seen(NamedTuple):
    """One observation."""

    kind: str
    """A key of `KINDS`."""
    shard: str
    """The name of the file that is meant."""
    key: str = ""
    """The sample or, outside of samples, the member; empty where the whole file is meant."""
    detail: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """All observations of one kind in one shard."""

    severity: Severity
    kind: str
    shard: str
    keys: tuple[str, ...]
    """Where the first ones were."""
    what: str
    """The sentence of the kind."""
    detail: str
    """Of the first one."""
    n: int
    effects: tuple[Effect, ...]
    """What readers make of it."""


class Tally:
    """Observations of one shard or folder, counted."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, seen: Seen) -> None:
        """Count one more."""
        self.add_many(seen, [seen.key] if seen.key else [], 1)

    def add_all(self, some: Iterable[Seen]) -> None:
        """Count each of them."""
        for seen in some:
            self.add(seen)

    def add_many(self, seen: Seen, keys: list[str], n: int) -> None:
        """Count `n` more that are like `seen`, of which `keys` are the first."""
        before = self._found.get((seen.kind, seen.shard))
        shown = tuple(printable(key) for key in keys[:N_PLACES])
        if before is not None:
            places = (before.keys + shown)[:N_PLACES]
            found = msgspec.structs.replace(before, keys=places, n=before.n + n)
        else:
            kind = KINDS[seen.kind]
            found = Finding(
                severity=kind.severity,
                kind=seen.kind,
                shard=printable(seen.shard),
                keys=shown,
                what=kind.what,
                detail=printable(seen.detail),
                n=n,
                effects=effects_of(seen.kind),
            )
        self._found[seen.kind, seen.shard] = found

    def findings(self) -> list[Finding]:
        """In the order of their first observations."""
        return list(self._found.values())


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, and all that is wrong or odd about it."""

    layout: str
    """webpairs, img2dataset, clip_benchmark or webdataset."""
    n_shards: int
    n_samples: int
    n_bytes: int
    """Of the tars."""
    findings: list[Finding]

    @property
    def faults(self) -> list[Finding]:
        """What is damaged, or hangs, fails or misleads a reader."""
        return [found for found in self.findings if found.severity == "fault"]

    @property
    def notices(self) -> list[Finding]:
        """What is worth knowing."""
        return [found for found in self.findings if found.severity == "notice"]


def printable(text: str) -> str:
    """Text of the data, safe for a terminal and for JSON: no control characters, not too long."""
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
