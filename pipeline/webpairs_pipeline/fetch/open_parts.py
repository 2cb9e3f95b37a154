"""The parts whose rows are being fetched: opened as there is room, committed as they are done."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from webpairs_core.ledger import Stage
from webpairs_core.records import Outcome
from webpairs_crawler.images.answers import Fetched
from webpairs_crawler.images.fetcher import Fetcher
from webpairs_crawler.optout.signals import forbids
from webpairs_filters.image.blocklist import ImageBlocklist
from webpairs_pipeline.fetch.commit import commit_part
from webpairs_pipeline.fetch.journal import Journal, Row
from webpairs_pipeline.fetch.known import Known, KnownImage
from webpairs_pipeline.fetch.progress import FetchProgress
from webpairs_pipeline.fetch.sources import Line, Source
from webpairs_pipeline.run import Run
from webpairs_shards.image.decode_pool import DecodePool
from webpairs_shards.image.processed import Processed

WINDOW_ROWS = 32_768
"""About so many rows wait for their hosts at once: enough to meet many hosts, at half a kB each."""
MAX_OPEN_PARTS = 1_024
"""Each has its journal open."""
SYNC_ROWS, SYNC_S = 200, 5.0
"""What a power cut may cost at most; a killed process loses what was in flight only."""


_NOTHING, _BLOCKED = Fetched(outcome=Outcome.BLOCKED), Processed(outcome=Outcome.BLOCKED)
"""All that is kept of an image that the blocklist names."""


class _Part:
    """A source whose rows are being fetched."""

    def __init__(self, source: Source, journal: Journal) -> None:
        self.source = source
        self.journal = journal


class Tools(NamedTuple):
    """What all parts share."""

    fetcher: Fetcher
    pool: DecodePool
    known: Known
    progress: FetchProgress


class OpenParts:
    """`await OpenParts(...).fetch(sources)`. Raises ListError for a wrong blocklist."""

    def __init__(self, run: Run, stage: Stage, tools: Tools) -> None:
        self._run = run
        self._stage = stage
        self._fetcher = tools.fetcher
        self._pool = tools.pool
        self._known = tools.known
        self._blocklist = ImageBlocklist(run.recipe.blocklist)
        self._progress = tools.progress
        self._open_ones: set[_Part] = set()
        self._is_done = asyncio.Event()
        """Set when a part is committed."""
        self._unsynced: set[Journal] = set()
        self._n_unsynced = 0
        self._is_sync_due = asyncio.Event()

    async def fetch(self, sources: Sequence[Source]) -> None:
        """Fetch and commit all of them. Raises StorageError and PartCorrupt."""
        self._line = Line(sources)
        try:
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self._sync_now_and_then()),
                    group.create_task(self._progress.tell_now_and_then()),
                ]
                await self._feed()
                await self._fetcher.idle()
                for task in beside:
                    task.cancel()
        finally:
            for part in self._open_ones:
                part.journal.close()

    async def _feed(self) -> None:
        """Open one part after the other, as there is room for their rows."""
        while not self._line.is_empty:
            await self._fetcher.below(WINDOW_ROWS)
            has_room = len(self._open_ones) < MAX_OPEN_PARTS
            source = self._line.next() if has_room else None
            if source is not None:
                await self._open(source)
            else:
                self._is_done.clear()
                await self._is_done.wait()

    async def _open(self, source: Source) -> None:
        journal = Journal(self._stage.work / f"{source.unit}.journal")
        part = _Part(source, journal)
        self._open_ones.add(part)
        self._progress.resume(len(journal.done))
        urls = source.table()["url"].to_pylist()
        known = self._known.of(urls)
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, url in enumerate(urls):
            if place not in journal.done:
                places[url].append(place)
        for url, some in places.items():  # several texts may belong to one image
            image = known.get(url)
            use = partial(self._use, part, some, image)
            if image is None:
                self._fetcher.add(url, use)
            else:
                self._fetcher.add(url, use, image.etag, image.last_modified)
        await self._commit_if_done(part)

    async def _use(
        self, part: _Part, places: Sequence[int], known: KnownImage | None, fetched: Fetched
    ) -> None:
        """What becomes of one download: decoded, judged, written down for each of its rows."""
        data = fetched.data
        n_bytes, sha256 = len(data), hashlib.sha256(data).hexdigest() if data else ""
        if fetched.outcome is not Outcome.OK:
            processed = Processed(outcome=fetched.outcome)
        elif fetched.is_unchanged:
            assert known is not None  # or nothing would have been asked with a condition
            picture = self._known.picture(known)
            # A list that came after that fetch had the picture erased there.
            is_erased = not any(picture[:8])
            processed = _BLOCKED if is_erased else known.processed(picture)
            n_bytes, sha256 = known.n_bytes, known.sha256
            fetched = replace(
                fetched,
                etag=fetched.etag or known.etag,
                last_modified=fetched.last_modified or known.last_modified,
            )
        elif self._blocklist.names(data):
            processed = _BLOCKED
        else:
            processed = await self._pool.run(data)
        if await self._is_blocked(processed, sha256):
            processed, fetched = _BLOCKED, _NOTHING
            n_bytes, sha256 = 0, ""
        if processed.rights.signals:
            signals = {*fetched.optout, *processed.rights.signals}
            fetched = replace(fetched, optout=tuple(sorted(signals)))
            if forbids(fetched.optout, self._run.recipe.crawl.optout):
                processed = Processed(outcome=Outcome.OPTED_OUT, rights=processed.rights)
        for place in places:
            row = Row(
                place=place,
                fetched=replace(fetched, data=b""),
                processed=replace(processed, data=b""),
                n_bytes=n_bytes,
                sha256=sha256,
            )
            part.journal.append(row, processed.data)
            self._note_unsynced(part.journal)
            self._progress.add(processed.outcome, len(data) if place == places[0] else 0)
        await self._commit_if_done(part)

    async def _is_blocked(self, processed: Processed, sha256: str) -> bool:
        """Whether the blocklist names an image, by its bytes or by what it shows."""
        if processed.outcome is Outcome.BLOCKED or not len(self._blocklist):
            return processed.outcome is Outcome.BLOCKED
        if processed.outcome is not Outcome.OK:
            return False
        if self._blocklist.names_sha256(sha256) or self._blocklist.resembles(processed.phash):
            return True
        return self._blocklist.has_pdq and await asyncio.to_thread(
            self._blocklist.shows, processed.data
        )

    async def _commit_if_done(self, part: _Part) -> None:
        if len(part.journal.done) < part.source.n_rows:
            return
        await asyncio.to_thread(self._commit, part)
        self._unsynced.discard(part.journal)
        self._line.done(part.source)
        self._open_ones.remove(part)
        self._is_done.set()

    def _commit(self, part: _Part) -> None:
        records = part.journal.records()
        made = [records[place] for place in range(part.source.n_rows)]
        ending = self._run.recipe.image.format
        commit_part(self._stage, part.source, made, ending)
        part.journal.remove()

    def _note_unsynced(self, journal: Journal) -> None:
        self._unsynced.add(journal)
        self._n_unsynced += 1
        if self._n_unsynced >= SYNC_ROWS:
            self._is_sync_due.set()

    async def _sync_now_and_then(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_sync_due.wait(), SYNC_S)
            self._is_sync_due.clear()
            journals, self._unsynced, self._n_unsynced = self._unsynced, set(), 0
            for journal in journals:
                await asyncio.to_thread(journal.sync)
