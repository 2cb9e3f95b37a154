"""The ledger: which units of a stage are done, and the commit that makes one so.

A unit writes its files under OUT/run/tmp/STAGE/ATTEMPT/, then commits by creating
OUT/run/commits/STAGE/UNIT.json, which names the files and their SHA-256. Whoever creates that
record first wins; only then do the files take their final names. A crash between the two is rolled
forward by the next `open_stage`, which also sweeps what lost or died. So a unit is done or it is
not.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import msgspec

from webpairs_core import files
from webpairs_core.errors import PartCorrupt, RecipeError, StorageError
from webpairs_core.funnel import Funnel
from webpairs_core.keys import digest

LOCK_WAIT_S = 5.0
"""How long a command waits for another one that is about to end."""

DONE = "done"
"""The unit that closes a stage: it holds the stage's funnels and no files."""


class FileEntry(msgspec.Struct, frozen=True):
    """A committed file."""

    path: str
    """Relative to OUT, with forward slashes."""
    bytes: int
    sha256: str
    rows: int = 0


class Commit(msgspec.Struct, frozen=True):
    """The record of one finished unit."""

    stage: str
    unit: str
    fingerprint: str
    attempt: str
    files: list[FileEntry] = []
    funnels: list[Funnel] = []
    info: dict[str, Any] = {}
    """Small JSON facts that later steps or the report need."""


class Stage(msgspec.Struct, frozen=True):
    """A handle on one stage of one run; cheap to send to a worker process."""

    root: Path
    """OUT."""
    name: str
    fingerprint: str

    @property
    def folder(self) -> Path:
        """Where this stage's commits lie."""
        return self.root / "run" / "commits" / self.name

    @property
    def scratch(self) -> Path:
        """Where this stage's unfinished files lie; on the same file system as OUT."""
        return self.root / "run" / "tmp" / self.name

    @property
    def work(self) -> Path:
        """Where a stage may keep what a unit needs to go on after a crash (a training checkpoint).

        Gone when the fingerprint changes or the stage is reset.
        """
        return self.root / "run" / "work" / f"{self.name}-{self.fingerprint[:16]}"

    def commits(self) -> list[Commit]:
        """All commits of the stage, by unit name, whatever their fingerprint."""
        if not self.folder.is_dir():
            return []
        return [_read(path) for path in sorted(self.folder.glob("*.json"))]

    def commit_of(self, unit: str) -> Commit | None:
        """The commit of one unit, if it is done."""
        path = self.folder / f"{unit}.json"
        return _read(path) if path.exists() else None

    def is_done(self, unit: str) -> bool:
        """Whether a unit needs no more work."""
        return (self.folder / f"{unit}.json").exists()

    def forget(self, unit: str) -> None:
        """Undo one unit: its files and its commit go."""
        commit = self.commit_of(unit)
        if commit is not None:
            with files.disk_errors():
                _undo(self, commit)

    def rewrite(self, commit: Commit) -> None:
        """Put another record in the place of a commit of this stage, whose files were changed by
        somebody who is to be trusted. Raises StorageError."""
        data = msgspec.json.format(msgspec.json.encode(commit), indent=1) + b"\n"
        # Of one name, and where `open_stage` sweeps: a crash here leaves nothing for long.
        scratch = self.scratch / "rewritten"
        with files.disk_errors():
            self.scratch.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(data)
            files.sync_file(scratch)
            files.rename(scratch, self.folder / f"{commit.unit}.json")

    def unit(self, name: str) -> "UnitWriter":
        """Start a unit: `with stage.unit("part-00000") as unit: ... unit.commit(...)`."""
        return UnitWriter(self, name, secrets.token_hex(6))


class UnitWriter:
    """The files of one attempt at a unit. Leaving the block without `commit` removes them."""

    def __init__(self, stage: Stage, unit: str, attempt: str) -> None:
        self._stage = stage
        self._unit = unit
        self._attempt = attempt
        self._rows: dict[str, int] = {}
        self._folder = stage.scratch / attempt

    def __enter__(self) -> Self:
        with files.disk_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def path(self, final: str) -> Path:
        """Where to write the file that will be called `final` (relative to OUT) once committed."""
        self._rows.setdefault(final, 0)
        return self._folder / _flat(final)

    def rows(self, final: str, n_rows: int) -> None:
        """Note the rows of a file, for the record."""
        self._rows[final] = n_rows

    def commit(self, *funnels: Funnel, info: dict[str, Any] | None = None) -> Commit:
        """Make the unit done, or find that another attempt was first; return what stands.

        Raises StorageError when the disk is full.
        """
        stage = self._stage
        with files.disk_errors():
            entries = []
            for final, n_rows in sorted(self._rows.items()):
                temporary = self._folder / _flat(final)
                files.sync_file(temporary)
                size = temporary.stat().st_size
                entries.append(FileEntry(final, size, files.file_sha256(temporary), n_rows))
            commit = Commit(
                stage=stage.name,
                unit=self._unit,
                fingerprint=stage.fingerprint,
                attempt=self._attempt,
                files=entries,
                funnels=[funnel.check() for funnel in funnels],
                info=info or {},
            )
            files.sync_folder(self._folder)
            data = msgspec.json.format(msgspec.json.encode(commit), indent=1) + b"\n"
            record = stage.folder / f"{self._unit}.json"
            if not files.create_once(record, data, self._folder / "commit"):
                return _read(record)
            _roll_forward(stage, commit)
        return commit

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Empty after a won commit; a lost or failed attempt leaves its files here.
        files.remove_tree(self._folder)


class Ledger(msgspec.Struct, frozen=True):
    """The commits of one OUT."""

    root: Path

    def stage(self, name: str) -> Stage:
        """A handle for reading a stage that some run has already opened."""
        return Stage(self.root, name, "")

    def open_stage(self, name: str, fingerprint: str) -> Stage:
        """Make a stage ready to work: undo what another recipe or input made, finish what a crash
        interrupted, sweep what died. Only one process may do this at a time (`lock`).
        """
        stage = Stage(self.root, name, fingerprint)
        with files.disk_errors():
            is_whole = True
            for commit in stage.commits():
                if commit.fingerprint != fingerprint:
                    _undo(stage, commit)
                else:
                    is_whole &= _roll_forward(stage, commit)
            if not is_whole:
                files.remove(stage.folder / f"{DONE}.json")
            files.remove_tree(stage.scratch)
            _sweep_work(stage)
        return stage

    def is_changed(self, name: str, fingerprint: str) -> bool:
        """Whether `open_stage` with this fingerprint would undo something."""
        return any(c.fingerprint != fingerprint for c in self.stage(name).commits())

    def reset(self, name: str) -> None:
        """Forget a stage: its files and its commits (`--fresh`)."""
        stage = self.stage(name)
        with files.disk_errors():
            for commit in stage.commits():
                _undo(stage, commit)
            files.remove_tree(stage.scratch)
            _sweep_work(stage)

    def outputs(self, name: str, prefix: str = "") -> list[FileEntry]:
        """The committed files of a finished stage whose path starts with `prefix`, by path.

        Raises RecipeError when the stage has not finished, PartCorrupt when a file is not as
        long as it was.
        """
        stage = self.stage(name)
        if not stage.is_done(DONE):
            raise RecipeError(
                f"{self.root} holds no finished {name} stage: run the stages before this one first "
                "(`webpairs run RECIPE` runs all)"
            )
        entries = [f for c in stage.commits() for f in c.files if f.path.startswith(prefix)]
        for entry in entries:
            path = self.root / entry.path
            size = path.stat().st_size if path.exists() else -1
            if size != entry.bytes:
                found = "is missing" if size < 0 else f"has {size:,} bytes"
                raise PartCorrupt(
                    f"{path} {found} where the ledger says {entry.bytes:,} bytes: delete it and "
                    f"run the {name} stage again"
                )
        return sorted(entries, key=lambda entry: entry.path)

    def stage_digest(self, name: str) -> str:
        """A digest of all that a finished stage made: the input part of the next fingerprint."""
        return digest([(entry.path, entry.sha256) for entry in self.outputs(name)])

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold OUT for one command. Raises StorageError when another one does not let go."""
        path = self.root / "run" / "lock"
        with files.disk_errors():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except FileNotFoundError:  # a place like /proc, where nobody may make anything
                raise StorageError(
                    f"{self.root} cannot be made: choose another place with --out"
                ) from None
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            deadline = time.monotonic() + LOCK_WAIT_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StorageError(
                            f"another webpairs command is working in {self.root}: "
                            "wait for it or choose another --out"
                        ) from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(descriptor)


def _flat(final: str) -> str:
    pure = PurePosixPath(final)
    if pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"not a path inside OUT: {final}")
    return final.replace("/", "@")


def _read(path: Path) -> Commit:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Commit)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PartCorrupt(
            f"{path} is not a commit record ({error}); delete it and run again"
        ) from error


def _roll_forward(stage: Stage, commit: Commit) -> bool:
    """Give the files of a commit their final names; if one is gone for good, forget the commit and
    say False."""
    for entry in commit.files:
        temporary = stage.scratch / commit.attempt / _flat(entry.path)
        final = stage.root / entry.path
        if temporary.exists():
            files.rename(temporary, final)
        elif not final.exists():
            _undo(stage, commit)
            return False
    return True


def _sweep_work(stage: Stage) -> None:
    for folder in stage.work.parent.glob(f"{stage.name}-*"):
        if folder != stage.work:
            files.remove_tree(folder)


def _undo(stage: Stage, commit: Commit) -> None:
    # Files first: if this is cut short, the record still tells the next run what to remove.
    for entry in commit.files:
        files.remove(stage.root / entry.path)
    files.remove(stage.folder / f"{commit.unit}.json")
