"""A folder of tars, whoever made them: its shards, and what lies beside them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webpairs_core.progress import Progress
from webpairs_shards.check import clip_benchmark, img2dataset
from webpairs_shards.check.findings import Finding, Report, Seen, Tally
from webpairs_shards.check.foreign_shard import (
    First,
    ShardFacts,
    ShardTask,
    check_shard,
    first_samples,
)
from webpairs_shards.check.pool import CheckPool, Lost
from webpairs_shards.check.repeats import find_repeats
from webpairs_shards.check.sizes import check_sizes

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_DEFAULT_WORKERS = 4
"""Of open_clip, for each GPU."""


def tars_of(folder: Path) -> list[Path]:
    """The tars that lie in a folder, in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(ENDINGS))


def verify_foreign(folder: Path, tars: list[Path], workers: int, *, quick: bool) -> Report:
    """Check tars of one folder, with `workers` processes (0: in this one).

    What lies beside them is checked only where `tars` are all that the folder holds.
    """
    with tempfile.TemporaryDirectory(prefix="webpairs-verify-") as scratch:
        return _Folder(folder, tars, Path(scratch)).check(workers, quick)


class _Folder:
    """The state of a check."""

    def __init__(self, folder: Path, tars: list[Path], scratch: Path) -> None:
        self._folder = folder
        self._tars = tars
        self._scratch = scratch
        self._tally = Tally()
        self._findings: list[Finding] = []
        self._facts: dict[str, ShardFacts] = {}
        """Of the shards that were checked to their ends, by name."""
        self._is_whole = tars == tars_of(folder)
        self._n_classes: int | None = None
        self._layout = "webdataset"
        if img2dataset.is_img2dataset(folder):
            self._layout = "img2dataset"
        elif clip_benchmark.is_clip_benchmark(folder):
            self._layout = "clip_benchmark"
            if clip_benchmark.is_labelled(folder):
                self._n_classes = clip_benchmark.n_classes(folder)

    def check(self, workers: int, quick: bool) -> Report:
        with CheckPool[Any, Any](run_job, min(workers, len(self._tars))) as pool:
            first = self._first(next(iter(pool.map([self._tars[0]]))))
            tasks = [self._task(number, first, quick) for number in range(len(self._tars))]
            with Progress("verify", "shards", len(tasks)) as progress:
                for path, answer in zip(self._tars, pool.map(tasks), strict=True):
                    self._take(path.name, answer)
                    progress.add(1, f"{len(self._findings):,} findings")
        n_samples = sum(facts.n_samples for facts in self._facts.values())
        self._tally.add_all(self._of_all(n_samples))
        find_repeats(self._scratch, [path.name for path in self._tars], self._tally, is_ours=False)
        if self._is_whole:
            self._tally.add_all(self._beside())
        return Report(
            layout=self._layout,
            n_shards=len(self._tars),
            n_samples=n_samples,
            n_bytes=sum(path.stat().st_size for path in self._tars if path.exists()),
            findings=[*self._findings, *self._tally.findings()],
        )

    def _first(self, answer: Any) -> First | None:
        if isinstance(answer, Lost):  # check_shard will be lost, too, and says so
            return None
        first, findings = answer
        self._findings += findings
        return first if first is None or isinstance(first, First) else None

    def _rows(self, number: int) -> Path:
        return self._scratch / f"{number:08d}.parquet"

    def _task(self, number: int, first: First | None, quick: bool) -> ShardTask:
        return ShardTask(
            path=self._tars[number],
            number=number,
            rows=self._rows(number),
            first=first,
            n_classes=self._n_classes,
            is_quick=quick,
        )

    def _take(self, name: str, answer: ShardFacts | Lost) -> None:
        if isinstance(answer, Lost):
            # Its rows are half written.
            self._rows([path.name for path in self._tars].index(name)).unlink(missing_ok=True)
            self._tally.add(Seen("not_checked", name, answer.at, answer.why))
        else:
            self._facts[name] = answer
            self._findings += answer.findings

    def _of_all(self, n_samples: int) -> Iterator[Seen]:
        """What only shows in all shards together."""
        n_pairs = sum(facts.n_pairs for facts in self._facts.values())
        if self._n_classes is None and len(self._facts) == len(self._tars) and not n_pairs:
            found = {ending: None for facts in self._facts.values() for ending in facts.endings}
            detail = f"0 of {n_samples:,} samples; the members are {', '.join(found) or 'none'}"
            yield Seen("nothing_to_train_on", self._folder.name, detail=detail)
        elif self._n_classes is None:
            for name, facts in self._facts.items():
                if facts.n_samples and not facts.n_pairs:
                    detail = f"0 of {facts.n_samples:,}; members: {', '.join(facts.endings)}"
                    yield Seen("shard_without_pairs", name, detail=detail)
        yield from self._borders()

    def _borders(self) -> Iterator[Seen]:
        """Keys that end one shard and begin another: any two may be read one after the other."""
        starts: dict[str, tuple[str, frozenset[str]]] = {}
        for name, facts in self._facts.items():
            if facts.ends is not None:
                starts.setdefault(facts.ends[0].key, (name, facts.ends[0].endings))
        for name, facts in self._facts.items():
            if facts.ends is None or facts.ends[1].key not in starts:
                continue
            last = facts.ends[1]
            other, endings = starts[last.key]
            if other != name:
                kind = "key_at_border" if last.endings & endings else "sample_across_shards"
                yield Seen(kind, name, last.key, f"{other} begins with it")

    def _beside(self) -> Iterator[Seen]:
        """Files that count the samples or describe the set."""
        counts = {name: facts.n_samples for name, facts in self._facts.items()}
        if self._layout == "clip_benchmark":
            yield from clip_benchmark.check_split(self._folder, [path.name for path in self._tars])
            return
        if len(self._tars) < _DEFAULT_WORKERS:
            yield Seen("few_shards", self._folder.name, detail=f"{len(self._tars)} shards")
        if len(counts) == len(self._tars):
            yield from check_sizes(self._folder, counts)
        if self._layout == "img2dataset":
            rows = {path.name: self._rows(number) for number, path in enumerate(self._tars)}
            yield from img2dataset.check_sidecars(self._folder, counts, rows)


def run_job(job: Path | ShardTask) -> Any:
    """One job of the pool: the first look at a shard, or its check."""
    return first_samples(job) if isinstance(job, Path) else check_shard(job)
