"""Trying some outcomes of a finished fetch again: `webpairs fetch RECIPE --retry timeout,http_5xx`.

A round is a marker in the ledger, `retry-001`, that names the outcomes, and a part for each part
that has rows of those: `retry-001-part-00000` holds their new outcomes. Nothing that was committed
is changed; of the rows of one key the newest counts. An interrupted round goes on like any unit.
"""

import difflib
import re
from collections import Counter
from pathlib import Path

import msgspec

from webpairs_core import files
from webpairs_core.errors import RecipeError
from webpairs_core.funnel import Funnel, merge
from webpairs_core.ledger import DONE, Commit, Stage
from webpairs_core.records import Outcome
from webpairs_pipeline.fetch.sources import Source, of_samples

_MARKER = re.compile(r"retry-\d{3}\Z")


class Total(msgspec.Struct, frozen=True):
    """All rounds together."""

    funnel: Funnel
    n_bytes: int
    n_unchanged: int
    """Taken from the run that `fetch.known` names: their servers said 304."""
    n_rounds: int
    """Beside the first one."""
    parts: tuple[str, ...]
    """The sample parts, relative to OUT; those of later rounds behind all of the first."""


def outcomes_of(text: str) -> frozenset[str]:
    """The outcomes in a list like `timeout,http_5xx`. Raises RecipeError for what is none."""
    known = [str(outcome) for outcome in Outcome if outcome is not Outcome.OK]
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    for word in wanted:
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise RecipeError(f"--retry {word}: no such outcome of a fetch; {hint}")
    if not wanted:
        raise RecipeError(f"--retry names no outcome; there are: {', '.join(known)}")
    return frozenset(wanted)


def begin(stage: Stage, outcomes: frozenset[str]) -> None:
    """Open a finished stage for another round. Raises RecipeError when it is not finished.

    A round that was interrupted goes on, when it is of the same outcomes.
    """
    done = stage.commit_of(DONE)
    markers = _markers(stage)
    if done is None:
        if markers and frozenset(markers[-1].info["outcomes"]) == outcomes:
            return
        raise RecipeError(
            "the fetch has not finished: run `webpairs fetch` without --retry first; it goes on "
            "where it was"
        )
    number = int(done.info["rounds"]) + 1
    if len(markers) == number:  # a crash before anything was done under it
        files.remove(stage.folder / f"{markers[-1].unit}.json")
    with stage.unit(f"retry-{number:03d}") as unit:
        unit.commit(info={"outcomes": sorted(outcomes)})
    files.remove(stage.folder / f"{DONE}.json")


def drop_what_lost_its_base(stage: Stage) -> None:
    """Forget parts of later rounds whose earlier parts are gone (somebody deleted a damaged one):
    they say which rows they replaced, and those rows will be fetched anew."""
    for commit in _parts(stage):
        if not all(stage.is_done(unit) for unit in commit.info["rests_on"]):
            stage.forget(commit.unit)


def sources_left(out: Path, stage: Stage) -> list[Source]:
    """The units of the newest round that are not committed."""
    markers = _markers(stage)
    if not markers:
        return []
    round_name, outcomes = markers[-1].unit, frozenset(markers[-1].info["outcomes"])
    commits = _parts(stage)
    sources = []
    for first in (commit for commit in commits if not _is_again(commit)):
        unit = f"{round_name}-{first.unit}"
        earlier = [c for c in commits if c.unit.endswith(f"-{first.unit}") and c.unit != unit]
        rows = [first, *earlier]  # rounds are numbered, commits sorted: the newest last
        if stage.is_done(unit) or not any(outcomes & c.funnels[0].rejected.keys() for c in rows):
            continue
        source = of_samples(unit, [out / _path_of(commit) for commit in rows], outcomes)
        if source.n_rows:
            sources.append(source)
    return sources


def total(stage: Stage) -> Total:
    """The funnel and facts of all committed units: each candidate counts once, by its newest."""
    commits = _parts(stage)
    empty = Funnel("fetch", "candidates", 0, 0)
    first = merge([empty, *(c.funnels[0] for c in commits if not _is_again(c))])
    again = merge([empty, *(c.funnels[0] for c in commits if _is_again(c))])
    rejected = Counter(first.rejected)
    rejected.update(again.rejected)
    for commit in commits:
        rejected.subtract(commit.info["replaced"])
    left = {reason: n for reason, n in rejected.items() if n}
    return Total(
        funnel=merge([Funnel("fetch", "candidates", first.rows_in, first.kept + again.kept, left)]),
        n_bytes=sum(commit.info["bytes"] for commit in commits),
        n_unchanged=sum(commit.info["unchanged"] for commit in commits),
        n_rounds=len(_markers(stage)),
        parts=tuple(_path_of(commit) for commit in sorted(commits, key=_is_again)),
    )


def _markers(stage: Stage) -> list[Commit]:
    return [commit for commit in stage.commits() if _MARKER.match(commit.unit)]


def _parts(stage: Stage) -> list[Commit]:
    return [commit for commit in stage.commits() if commit.files]


def _is_again(commit: Commit) -> bool:
    return commit.unit.startswith("retry-")


def _path_of(commit: Commit) -> str:
    return next(file.path for file in commit.files if file.path.endswith(".parquet"))
