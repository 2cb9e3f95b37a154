"""Which candidates are fetched, part by part, and which part is opened next.

A source is a part of candidates, or, in a later round, those rows of a finished part whose outcome
is to be tried again. Candidates are grouped by host, so the parts of a giant host follow each
other: opened one after the other they would fill all there is room for with rows that wait for that
one host. So of a host that has parts of its own only a few are open at a time, and the others step
back until one of them is done.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from webpairs_core.schema import CANDIDATES, SAMPLES, open_part, read_table

_OPEN_OF_ONE_HOST = 2
"""The second one waits ready, so that the host is never idle between two parts."""


class Source(msgspec.Struct, frozen=True):
    """The rows of one unit of work."""

    unit: str
    n_rows: int
    path: Path
    only_host: str = ""
    """The host of all its rows, when there is one."""
    earlier: tuple[Path, ...] = ()
    """A later round: the sample parts of these rows so far, the newest last."""
    outcomes: frozenset[str] = frozenset()
    """A later round: which outcomes are tried again."""
    replaced: dict[str, int] = {}
    """A later round: how many of its rows had which outcome."""

    def table(self) -> pa.Table:
        """The rows, of schema CANDIDATES. Raises as `read_table`."""
        if not self.earlier:
            return read_table(self.path, CANDIDATES).slice(0, self.n_rows)
        return _rows_with(self.outcomes, self.earlier)[0]


def of_samples(unit: str, parts: Sequence[Path], outcomes: frozenset[str]) -> Source:
    """Those rows of a part and of its later rounds whose newest outcome is one of `outcomes`."""
    table, replaced = _rows_with(outcomes, parts)
    hosts = set(table["host"].to_pylist())
    return Source(
        unit=unit,
        n_rows=table.num_rows,
        path=parts[0],
        only_host=hosts.pop() if len(hosts) == 1 else "",
        earlier=tuple(parts),
        outcomes=outcomes,
        replaced=replaced,
    )


def _rows_with(outcomes: Collection[str], parts: Sequence[Path]) -> tuple[pa.Table, dict[str, int]]:
    """The rows, as candidates and in the order of the first part; and what they are counted as."""
    import pyarrow.compute as pc  # a later round only

    tables = [read_table(part, SAMPLES) for part in parts]
    newest: dict[bytes, str] = {}
    for table in tables:
        newest.update(zip(table["key"].to_pylist(), table["outcome"].to_pylist(), strict=True))
    found = {key: outcome for key, outcome in newest.items() if outcome in outcomes}
    keys = tables[0]["key"]
    mask = pc.is_in(keys, pa.array(list(found), keys.type))
    rows = tables[0].filter(mask).select(CANDIDATES.names)
    return rows.cast(CANDIDATES), dict(Counter(found.values()))


def of_candidates(path: Path, n_rows: int) -> Source:
    """The first `n_rows` of a part of candidates. Raises as `open_part`."""
    return Source(path.stem, n_rows, path, _only_host(path))


def _only_host(path: Path) -> str:
    """The host of all rows of a candidates part, by its statistics; "" when there are several."""
    column = CANDIDATES.names.index("host")
    with open_part(path, CANDIDATES) as part:
        groups = [part.metadata.row_group(i) for i in range(part.metadata.num_row_groups)]
        found = [group.column(column).statistics for group in groups]
    hosts = {host for s in found if s is not None and s.has_min_max for host in (s.min, s.max)}
    is_known = all(s is not None and s.has_min_max for s in found)
    return str(hosts.pop()) if is_known and len(hosts) == 1 else ""


class Line:
    """The sources in the order in which they are opened."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._line = deque(sources)
        self._n_open: Counter[str] = Counter()
        self._stepped_back: defaultdict[str, deque[Source]] = defaultdict(deque)

    @property
    def is_empty(self) -> bool:
        """Whether every source was opened."""
        return not self._line and not any(self._stepped_back.values())

    def next(self) -> Source | None:
        """The source to open now; None when all that is left waits for a host's open parts."""
        while self._line:
            source = self._line.popleft()
            host = source.only_host
            if host and self._n_open[host] >= _OPEN_OF_ONE_HOST:
                self._stepped_back[host].append(source)
                continue
            self._n_open[host] += 1
            return source
        return None

    def done(self, source: Source) -> None:
        """A source is committed."""
        host = source.only_host
        self._n_open[host] -= 1
        if waiting := self._stepped_back.get(host):
            self._line.appendleft(waiting.popleft())
