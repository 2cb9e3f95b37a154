"""The frontier on disk: every URL ever met, what is still to do, and the answers' records.

A lease is not written: it dies with the process that held it, and that is when its URL must be
queued again. A URL that is in flight stays queued here until it is answered.

A URL is found again by a 64-bit hash and then compared itself, so no page is ever taken for seen
that was not. Hosts are kept by the hash of their name: two that collide share a queue, politely.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from webpairs_core.errors import StorageError
from webpairs_crawler.frontier.plan import MAX_SITEMAPS_PER_HOST, PAGE, Ask, Kind
from webpairs_crawler.frontier.sqlite_file import SqliteFile
from webpairs_crawler.web.urls import host_of

FILE_NAME = "frontier.sqlite"
_VERSION = 1
_READ_RECORDS = 16

_TABLES = """
CREATE TABLE urls (
    id INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL,
    host INTEGER NOT NULL,
    url TEXT NOT NULL,
    kind TEXT NOT NULL,      -- page, sitemap
    depth INTEGER NOT NULL,
    hop INTEGER NOT NULL,
    rank INTEGER NOT NULL,   -- place in its wave (0 in free order)
    state TEXT NOT NULL,     -- waiting (for its wave), queued, put_back, answered
    attempts INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX urls_seen ON urls (hash);
CREATE INDEX urls_waiting ON urls (kind, depth, hop) WHERE state = 'waiting';
CREATE INDEX urls_queued ON urls (host, depth, rank) WHERE state = 'queued';
CREATE INDEX urls_put_back ON urls (host) WHERE state = 'put_back';
CREATE INDEX urls_sitemaps ON urls (host) WHERE kind = 'sitemap';
CREATE TABLE records (id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL);
CREATE TABLE progress (
    crawl_order TEXT NOT NULL,
    n_answered INTEGER NOT NULL,
    n_pages_answered INTEGER NOT NULL,
    n_sitemaps_left_out INTEGER NOT NULL
)
"""
_ADMIT_PAGES = """
UPDATE urls SET state = 'queued', rank = wave.rank FROM (
    SELECT id, row_number() OVER (ORDER BY url) AS rank FROM urls
    WHERE state = 'waiting' AND kind = 'page' AND depth = ? AND hop = ?
    ORDER BY url LIMIT ?
) AS wave WHERE urls.id = wave.id
"""
_INSERT = (
    "INSERT INTO urls (hash, host, url, kind, depth, hop, payload, state, rank, attempts) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)"
)
_MET = (
    "SELECT id, url, state, depth, hop, kind = 'page' FROM urls "
    "WHERE hash IN (SELECT value FROM json_each(?))"
)
_NOT_MET = (0, "", "", 0, 0, 0)
_FIRST_QUEUED = (
    "SELECT id, url, depth, hop, kind, attempts, payload FROM urls "
    "WHERE host = ? AND state = 'queued' ORDER BY depth, rank, id LIMIT ?"
)


class Found(msgspec.Struct, frozen=True):
    """A URL and the wave in which it is to be asked for."""

    url: str
    depth: int
    hop: int
    kind: Kind
    payload: bytes = b""


class Counts(msgspec.Struct, frozen=True):
    """What a database holds."""

    n_answered: int
    n_pages_answered: int
    n_pages_queued: int
    n_waiting: int


class UrlStore:
    """The database. What is written counts from the next `commit` on."""

    def __init__(self, folder: Path, order: str) -> None:
        self._file = SqliteFile(folder / FILE_NAME)
        self._first_state = "queued" if order == "free" else "waiting"
        version = self._file.number("PRAGMA user_version")
        self.is_new = version == 0
        if self.is_new:
            for statement in _TABLES.split(";"):
                self._file.change(statement)
            self._file.change("INSERT INTO progress VALUES (?, 0, 0, 0)", (order,))
            self._file.change(f"PRAGMA user_version = {_VERSION}")
        elif version != _VERSION or self._order() != order:
            raise StorageError(
                f"{self._file.path} was begun by another version or with another order: run again "
                "with --fresh"
            )
        else:
            self._file.change("UPDATE urls SET state = 'queued' WHERE state = 'put_back'")

    def _order(self) -> str:
        [[order]] = self._file.rows("SELECT crawl_order FROM progress")
        return str(order)

    def counts(self) -> Counts:
        """What is there now."""
        [answered] = self._file.rows("SELECT n_answered, n_pages_answered FROM progress")
        return Counts(
            n_answered=answered[0],
            n_pages_answered=answered[1],
            n_pages_queued=self._file.number(
                "SELECT count(*) FROM urls WHERE state = 'queued' AND kind = 'page'"
            ),
            n_waiting=self.n_waiting(),
        )

    def n_waiting(self) -> int:
        """URLs that wait for their wave."""
        return self._file.number("SELECT count(*) FROM urls WHERE state = 'waiting'")

    def add(self, found: Sequence[Found]) -> list[Found]:
        """Keep URLs and return those that were never met before.

        In levels order they wait for their wave. One that waits already moves to the earlier wave
        of the two, where a sitemap stands before a page: so it is the same whichever came first.
        """
        hashes = {one.url: url_hash(one.url) for one in found}
        met = self._met(list(hashes.values()))
        fresh = [one for one in found if one.url not in met]
        self._file.change_many(
            _INSERT,
            [
                (hashes[one.url], host_key(host_of(one.url)), *_columns(one), self._first_state)
                for one in fresh
            ],
        )
        for one in found:
            url_id, _, state, *wave = met.get(one.url, _NOT_MET)
            if state == "waiting" and [one.depth, one.hop, one.kind == PAGE] < wave:
                self._file.change(
                    "UPDATE urls SET depth = ?, hop = ?, kind = ? WHERE id = ?",
                    (one.depth, one.hop, one.kind, url_id),
                )
        return fresh

    def has_met(self, url: str) -> bool:
        """Whether a URL was ever added."""
        return url in self._met([url_hash(url)])

    def n_sitemaps(self, host: int) -> int:
        """Sitemaps of a host that were admitted."""
        return self._file.number(
            "SELECT count(*) FROM urls WHERE host = ? AND kind = 'sitemap' AND state != 'waiting'",
            (host,),
        )

    def n_sitemaps_left_out(self) -> int:
        """How often a sitemap was left out."""
        return self._file.number("SELECT n_sitemaps_left_out FROM progress")

    def leave_out_sitemap(self) -> None:
        """Count a sitemap that is not asked for."""
        self._file.change("UPDATE progress SET n_sitemaps_left_out = n_sitemaps_left_out + 1")

    def next_wave(self, kinds: tuple[Kind, ...]) -> tuple[int, int] | None:
        """Depth and hop of the earliest wave for which a URL of these kinds waits."""
        first = (
            "SELECT depth, hop FROM urls WHERE state = 'waiting' AND kind = ? "
            "ORDER BY depth, hop LIMIT 1"
        )
        return min((row for kind in kinds for row in self._file.rows(first, (kind,))), default=None)

    def admit_pages(self, depth: int, hop: int, n_most: int) -> int:
        """Queue the pages of a wave, the first so many by URL, and return their number."""
        return self._file.change(_ADMIT_PAGES, (depth, hop, n_most)).rowcount

    def admit_sitemaps(self, depth: int, hop: int) -> None:
        """Queue the sitemaps of a wave, by URL, up to the cap for each host.

        The others are forgotten: a link may still bring them in as pages.
        """
        for url_id, host in self._file.rows(
            "SELECT id, host FROM urls WHERE state = 'waiting' AND kind = 'sitemap' "
            "AND depth = ? AND hop = ? ORDER BY url",
            (depth, hop),
        ):
            if self.n_sitemaps(host) < MAX_SITEMAPS_PER_HOST:
                self._file.change("UPDATE urls SET state = 'queued' WHERE id = ?", (url_id,))
            else:
                self._file.change("DELETE FROM urls WHERE id = ?", (url_id,))
                self.leave_out_sitemap()

    def queued_by_host(self) -> list[tuple[int, int]]:
        """Each host with the number of its queued URLs, in the order of their first ones."""
        return self._file.rows(
            "SELECT host, count(*) FROM urls WHERE state = 'queued' "
            "GROUP BY host ORDER BY min(depth), min(rank), min(id)"
        )

    def first_queued(self, host: int, n_most: int) -> list[Ask]:
        """The first queued URLs of a host, in flight or not."""
        return [Ask(*row) for row in self._file.rows(_FIRST_QUEUED, (host, n_most))]

    def ask_of(self, url_id: int) -> Ask:
        """One URL by its id."""
        rows = self._file.rows(
            "SELECT id, url, depth, hop, kind, attempts, payload FROM urls WHERE id = ?", (url_id,)
        )
        if not rows:
            raise self.damaged()
        return Ask(*rows[0])

    def put_back(self, url_id: int) -> None:
        """Take a URL out of its host's queue, to be asked again by its id."""
        self._file.change(
            "UPDATE urls SET state = 'put_back', attempts = attempts + 1 WHERE id = ?", (url_id,)
        )

    def mark_answered(self, ask: Ask) -> None:
        """Keep a URL as seen only."""
        self._file.change(
            "UPDATE urls SET state = 'answered', payload = x'' WHERE id = ?", (ask.id,)
        )
        self._file.change(
            "UPDATE progress SET n_answered = n_answered + 1, "
            "n_pages_answered = n_pages_answered + ?",
            (ask.kind == PAGE,),
        )

    def add_record(self, data: bytes) -> int:
        """Keep a record; its number is higher than all before it, dropped ones too."""
        number = self._file.change("INSERT INTO records (data) VALUES (?)", (data,)).lastrowid
        assert number is not None
        return number

    def records(self) -> Iterator[tuple[int, bytes]]:
        """All records that are kept, in order."""
        last = 0
        read = "SELECT id, data FROM records WHERE id > ? ORDER BY id LIMIT ?"
        while rows := self._file.rows(read, (last, _READ_RECORDS)):
            yield from rows
            last = rows[-1][0]

    def drop_records(self, up_to: int) -> None:
        """Forget the records that are committed elsewhere.

        Raises StorageError when so many were never written here: this is not the database that
        the committed parts came from.
        """
        last = self._file.number(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'records'), 0)"
        )
        if last < up_to:
            raise StorageError(
                f"{self._file.path} is lost or older than the pages that are committed: run again "
                "with --fresh to crawl from the seeds"
            )
        self._file.change("DELETE FROM records WHERE id <= ?", (up_to,))

    def damaged(self) -> StorageError:
        """For who finds that what must be there is not."""
        return self._file.damaged()

    def commit(self) -> None:
        """End the transaction: what was written outlives this process."""
        self._file.commit()

    def sync(self) -> None:
        """End the transaction and make all of it outlive a power cut."""
        self._file.sync()

    def close(self) -> None:
        """Commit and close the file."""
        self._file.close()

    def _met(self, hashes: list[int]) -> dict[str, tuple[Any, ...]]:
        return {row[1]: row for row in self._file.rows(_MET, (json.dumps(hashes),))}


def _columns(found: Found) -> tuple[str, str, int, int, bytes]:
    return found.url, found.kind, found.depth, found.hop, found.payload


def url_hash(url: str) -> int:
    """64 bits of a URL, as SQLite's signed integer."""
    digest = blake2b(url.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@lru_cache(maxsize=4096)
def host_key(host: str) -> int:
    """64 bits of a host's name."""
    digest = blake2b(host.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
