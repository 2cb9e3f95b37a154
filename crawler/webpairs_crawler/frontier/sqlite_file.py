"""One SQLite file with one writer, whose faults are sentences for the user.

WAL mode with `synchronous=NORMAL`: a commit costs no fsync and outlives `kill -9`, because what it
wrote is with the kernel then; a power cut may take back the last commits, never tear one. The lock
is held while the file is open, so a second crawl into the same folder is refused and not mixed in.
"""

import sqlite3
from pathlib import Path
from typing import Any

from webpairs_core.errors import StorageError
from webpairs_core.files import disk_errors

_CACHE_KIB = 8192
_WAL_PAGES = 8000
"""Pages of 4 KiB after which the log is folded into the database. SQLite's 1000 are too few: links
fall all over the index of hashes, and a page changed ten times is folded in once."""
_DAMAGED = "is damaged: run again with --fresh to crawl from the seeds"
_ADVICE = {
    sqlite3.SQLITE_BUSY: "is in use: wait for the other run or choose another place with --out",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: choose another place with --out",
    sqlite3.SQLITE_READONLY: "cannot be written: choose another place with --out",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


class SqliteFile:
    """A database. A transaction begins with the first write and ends with `commit`.

    All methods raise StorageError when the disk is full, the file damaged or in use.
    """

    def __init__(self, path: Path) -> None:
        """Open or create it, with a transaction begun."""
        self.path = path
        with disk_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise self._error(error) from error
        self.rows("PRAGMA locking_mode = EXCLUSIVE")
        self.rows("PRAGMA journal_mode = WAL")
        self.rows("PRAGMA synchronous = NORMAL")
        self.rows(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self.rows(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        self.rows("BEGIN EXCLUSIVE")

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """All rows that a statement reads."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def number(self, sql: str, values: tuple[Any, ...] = ()) -> int:
        """The one number that a statement reads."""
        [[number]] = self.rows(sql, values)
        assert isinstance(number, int)
        return number

    def change(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Write, in the transaction."""
        if not self._db.in_transaction:
            self.rows("BEGIN")
        try:
            return self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def change_many(self, sql: str, values: list[tuple[Any, ...]]) -> None:
        """Write the same for each row of values, in the transaction."""
        if not self._db.in_transaction:
            self.rows("BEGIN")
        try:
            self._db.executemany(sql, values)
        except sqlite3.Error as error:
            raise self._error(error) from error

    def commit(self) -> None:
        """End the transaction: what was written outlives this process."""
        if self._db.in_transaction:
            self.rows("COMMIT")

    def sync(self) -> None:
        """End the transaction and make all of it outlive a power cut."""
        self.commit()
        self.rows("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        try:
            self._db.close()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def damaged(self) -> StorageError:
        """For who finds that what must be there is not."""
        return StorageError(f"{self.path} {_DAMAGED}")

    def _error(self, error: sqlite3.Error) -> StorageError:
        if isinstance(error, sqlite3.ProgrammingError):
            raise error
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return StorageError(
                f"cannot write {self.path}: the disk is full or failing; free some space (or "
                "choose another place with --out) and run the same command again; finished units "
                "are kept"
            )
        advice = _ADVICE.get(code, f"cannot be used ({error}): run again with --fresh")
        return StorageError(f"{self.path} {advice}")
