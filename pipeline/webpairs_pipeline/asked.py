"""What a recheck has asked so far: one SQLite file beside its list, gone when the list is done.

On disk, so that a dataset of any size fits in memory and an interrupted recheck goes on. Answers
are kept for a day, as a robots.txt is (RFC 9309 §2.4); after that the recheck starts anew.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from webpairs_core import files
from webpairs_core.errors import StorageError
from webpairs_crawler.images.recheck import Checked, Verdict
from webpairs_crawler.optout.site import LIFE_S, Where

Address = tuple[str, Where]
"""A URL, and whether it is a page or an image."""

_TABLES = """
    CREATE TABLE about (digest TEXT NOT NULL, began REAL NOT NULL);
    CREATE TABLE asked (
        id INTEGER PRIMARY KEY, url TEXT NOT NULL, place TEXT NOT NULL,
        verdict TEXT, signals TEXT NOT NULL DEFAULT '', UNIQUE (url, place)
    );
"""


class Asked:
    """`with Asked(path, digest, is_fresh=False) as asked: ...`.

    `digest` names the dataset and the rules; notes of others are dropped, with `is_fresh` all are.
    """

    def __init__(self, path: Path, digest: str, *, is_fresh: bool) -> None:
        self._path = path
        self._digest = digest
        self._is_fresh = is_fresh

    def __enter__(self) -> Self:
        with self._storage():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._opened()
            if self._is_fresh or not self._is_ours():
                self._db.close()
                self.remove()
                self._db = self._opened()
                self._db.executescript(_TABLES)
        return self

    @contextmanager
    def _storage(self) -> Iterator[None]:
        """Full disks and files of others become one sentence."""
        try:
            with files.disk_errors():
                yield
        except sqlite3.Error as error:
            raise StorageError(
                f"cannot keep notes in {self._path} ({error}): free some space, delete that file "
                "or choose another place with --out"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    def _is_ours(self) -> bool:
        try:
            [(digest, began)] = self._db.execute("SELECT digest, began FROM about").fetchall()
        except (sqlite3.OperationalError, ValueError):
            # New, or killed before all addresses were written down.
            return False
        return bool(digest == self._digest and time.time() - began < LIFE_S)

    @property
    def is_new(self) -> bool:
        """Whether the addresses must be written down first."""
        return not self._db.execute("SELECT count(*) FROM about").fetchone()[0]

    def write_down(self, addresses: Iterable[Address]) -> None:
        """Note all addresses that will be asked; each counts once."""
        with self._storage(), self._db:
            self._db.executemany(
                "INSERT OR IGNORE INTO asked (url, place) VALUES (?, ?)", addresses
            )
            self._db.execute("INSERT INTO about VALUES (?, ?)", (self._digest, time.time()))

    def n_left(self) -> int:
        """Addresses still to be asked; those without an answer in an earlier try count."""
        sql = "SELECT count(*) FROM asked WHERE verdict IS NULL OR verdict = 'unknown'"
        return int(self._db.execute(sql).fetchone()[0])

    def left(self) -> Iterator[Address]:
        """The addresses still to be asked, as they were when this was called."""
        sql = (
            "SELECT id, url, place FROM asked WHERE id > ? AND "
            "(verdict IS NULL OR verdict = 'unknown') ORDER BY id LIMIT 1000"
        )
        last = 0
        while rows := self._db.execute(sql, (last,)).fetchall():
            last = rows[-1][0]
            yield from ((url, place) for _, url, place in rows)

    def keep(self, found: Iterable[tuple[Address, Checked]]) -> None:
        """Note what some addresses answered."""
        rows = [
            (str(checked.verdict), " ".join(checked.signals), url, place)
            for (url, place), checked in found
        ]
        with self._storage(), self._db:
            sql = "UPDATE asked SET verdict = ?, signals = ? WHERE url = ? AND place = ?"
            self._db.executemany(sql, rows)

    def of(self, address: Address) -> Checked:
        """What an address that was asked has answered."""
        sql = "SELECT verdict, signals FROM asked WHERE url = ? AND place = ?"
        verdict, signals = self._db.execute(sql, address).fetchone()
        return Checked(Verdict(verdict), tuple(signals.split()))

    def remove(self) -> None:
        """Forget everything."""
        for ending in ("", "-wal", "-shm"):
            files.remove(self._path.with_name(self._path.name + ending))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()
        if error is None:
            self.remove()
