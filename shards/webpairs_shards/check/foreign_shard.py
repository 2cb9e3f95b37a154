"""One shard of any WebDataset: every member, every sample."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from webpairs_shards.check.findings import Finding, Seen, Tally
from webpairs_shards.check.json_types import N_FIRST, TypeChange, changes, joined, shape_of
from webpairs_shards.check.pictures import Opinion
from webpairs_shards.check.pool import beat
from webpairs_shards.check.sample_rows import SampleRows
from webpairs_shards.check.samples import Group, split_name
from webpairs_shards.check.tars import MAX_NAME, Member, TarDamage, walk

_MAX_ENDINGS = 50


class First(msgspec.Struct, frozen=True):
    """What HF datasets learns from the first five samples of the first shard."""

    endings: frozenset[str]
    """The members that each of them has."""
    shape: Any
    """Of their JSON; "null" where they have none."""


class ShardTask(msgspec.Struct, frozen=True, kw_only=True):
    """What `check_shard` is given."""

    path: Path
    number: int
    """Of the shard in its folder, from 0."""
    rows: Path
    """Where the rows of its samples go."""
    first: First | None
    """None: HF datasets fails on the first samples, so later ones are not compared."""
    n_classes: int | None
    """Of a labelled set, 0 where nobody says; None for image-text pairs."""
    is_quick: bool


class End(msgspec.Struct, frozen=True):
    """The sample at an end of a shard."""

    key: str
    endings: frozenset[str]


class ShardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a shard is found to be."""

    n_samples: int
    n_pairs: int
    """Samples that open_clip would train on."""
    ends: tuple[End, End] | None
    """The first sample and the last one; None without any."""
    endings: tuple[str, ...]
    """Which members occur, the first few kinds."""
    findings: list[Finding]


def check_shard(task: ShardTask) -> ShardFacts:
    """Read a shard from end to end."""
    with SampleRows(task.rows, task.number) as rows:
        return _Check(task, rows).run()


class _Check:
    """The state of a check."""

    def __init__(self, task: ShardTask, rows: SampleRows) -> None:
        self._task = task
        self._rows = rows
        self._tally = Tally()
        self._n = self._n_pairs = 0
        self._ends: list[End] = []
        self._endings: dict[str, None] = {}

    def run(self) -> ShardFacts:
        for group in _groups(self._task.path, self._note, quick=self._task.is_quick):
            self._close(group)
        if not self._n and not self._tally.findings():
            self._note("empty_tar" if self._task.number else "first_shard_empty")
        return ShardFacts(
            n_samples=self._n,
            n_pairs=self._n_pairs,
            ends=(self._ends[0], self._ends[-1]) if self._ends else None,
            endings=tuple(self._endings),
            findings=self._tally.findings(),
        )

    def _note(self, kind: str, key: str = "", detail: str = "") -> None:
        self._tally.add(Seen(kind, self._task.path.name, key, detail))

    def _close(self, group: Group) -> None:
        """A sample is complete."""
        for kind, detail in (
            *group.judge(self._task.n_classes),
            *self._against_first(group),
        ):
            self._note(kind, group.key, detail)
        self._n += 1
        self._n_pairs += group.has_pair
        end = End(group.key, frozenset(group.endings))
        self._ends[1:] = [end]  # the first one stays, the last one is replaced
        for ending in islice(group.endings, _MAX_ENDINGS - len(self._endings)):
            self._endings[ending] = None
        key = group.key.encode("utf-8", "backslashreplace").decode()
        self._rows.add(key, " ".join(sorted(group.lower)), group.image)

    def _against_first(self, group: Group) -> Iterator[Opinion]:
        first = self._task.first
        if first is None:
            return
        new = [ending for ending in group.endings if ending not in first.endings]
        if new:
            yield Opinion("new_member", _some(new))
        missing = sorted(first.endings - group.endings.keys())
        if missing:
            yield Opinion("missing_member", _some(missing))
        if "json" in group.endings and "json" in first.endings:
            yield from changes(group.json, first.shape)


def _some(words: list[str]) -> str:
    return ", ".join(words[:N_FIRST])


def _groups(path: Path, note: Any, *, quick: bool) -> Iterator[Group]:
    """The samples of a shard; what is wrong with its members, and its damage, go to `note`."""
    group: Group | None = None
    try:
        for member in walk(path):
            parts = None if _is_odd(member, note) else split_name(member.name)
            if parts is None:
                if member.is_file:
                    note("unread_member", member.name)
                continue
            key, ending = parts
            if group is None or key != group.key:
                if group is not None:
                    yield group
                beat(key)
                group = Group(key)
            for kind, detail in group.add(ending, member.data, quick=quick):
                note(kind, key, detail)
            if member.data is None:
                note("large_member", member.name, f"{member.size:,} bytes")
    except TarDamage as damage:
        last = group.key if group is not None else ""
        note(damage.kind, last, damage.detail)
    except OSError as error:
        note("unreadable", "", error.strerror or str(error))
    if group is not None:
        yield group


def _is_odd(member: Member, note: Any) -> bool:
    """Whether readers do not see a member, or no file belongs there; folders are passed over."""
    if member.is_climbing:
        note("climbing_name", member.name)
    if len(member.name) > MAX_NAME or not member.name.isprintable():
        note("odd_name", member.name)
    if not member.is_file and not member.is_folder:
        note("not_a_file", member.name)
    return not member.is_file


def first_samples(path: Path) -> tuple[First | None, list[Finding]]:
    """What HF datasets would learn from a shard, the first one of a folder; None where it fails."""
    tally = Tally()
    groups: list[Group] = []
    with suppress(TarDamage, OSError):  # check_shard speaks of it
        groups = list(islice(_groups(path, lambda *_: None, quick=True), N_FIRST))
    if not groups:
        return None, []
    endings = [frozenset(group.endings) for group in groups]
    for group, mine in zip(groups, endings, strict=True):
        if mine != endings[0]:
            detail = f"{groups[0].key} has {groups[0].shown}; this one {group.shown}"
            tally.add(Seen("first_members_differ", path.name, group.key, detail))
            return None, tally.findings()
    shape: Any = "null"
    for group in groups:
        try:
            shape = joined(shape, shape_of(group.json))
        except TypeChange as change:
            tally.add(Seen("first_types_differ", path.name, group.key, str(change)))
            return None, tally.findings()
    return First(endings[0], shape), tally.findings()
