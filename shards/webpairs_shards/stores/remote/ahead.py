"""What will be read next is asked for before it is needed, a bounded number of requests at a time.

A reader announces the samples of a block in the order in which it will take them. Samples that lie
near each other in one shard are asked for at once. An announcement lasts as long as somebody holds
it: a reader that gives up in the middle of a block takes nothing away from the next one.
"""

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

from webpairs_shards.stores.place import Place

_GAP_BYTES = 32 << 10
"""Bytes between two samples that are rather read than asked around: about what a connection carries
in the time that another request takes."""
_MAX_BYTES = 1 << 20
"""No longer request is made out of several samples: `read_ahead` of them are held in memory."""


class Request:
    """A range that holds some samples of one shard."""

    __slots__ = ("answer", "n_bytes", "n_left", "places", "shard", "start")

    def __init__(self, place: Place) -> None:
        self.shard, _, _, self.start, self.n_bytes, *_ = place
        self.places = [place]
        self.n_left = 1
        """Samples that have not been taken yet."""
        self.answer: Future[bytes] | dict[int, bytes] | None = None
        """Of a range that was asked for; or samples that were at hand, by their start."""

    def add(self, place: Place) -> bool:
        """Take another sample in, unless it lies too far from the end."""
        shard, start, end = place[0], place[3], max(place[3] + place[4], self.start + self.n_bytes)
        is_near = shard == self.shard and start <= self.start + self.n_bytes + _GAP_BYTES
        if not is_near or end - self.start > _MAX_BYTES:
            return False
        self.n_bytes = end - self.start
        self.places.append(place)
        self.n_left += 1
        return True

    def part(self, start: int, n_bytes: int) -> bytes:
        """Bytes of the answer, waited for; fewer where the file ends before."""
        assert self.answer is not None
        if isinstance(self.answer, dict):
            return self.answer[start]
        return self.answer.result()[start - self.start :][:n_bytes]


class Announcement:
    """Requests for what somebody will read; hold it until all is read."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.by_place: dict[tuple[int, int], deque[Request]] = {}
        self.waiting = deque(self._sorted(places))
        self._open: set[Request] = set()

    @property
    def n_open(self) -> int:
        """Requests that are in flight, or not yet taken."""
        return len(self._open)

    def _sorted(self, places: Sequence[Place]) -> list[Request]:
        """In the order of the first sample of each."""
        order = sorted(range(len(places)), key=lambda i: (places[i][0], places[i][3]))
        found: list[tuple[int, Request]] = []
        for i in order:
            place = places[i]
            if found and found[-1][1].add(place):
                found[-1] = min(found[-1][0], i), found[-1][1]
            else:
                found.append((i, Request(place)))
            self.by_place.setdefault((place[0], place[3]), deque()).append(found[-1][1])
        return [request for _, request in sorted(found, key=lambda each: each[0])]

    def opened(self, request: Request) -> None:
        """A request has been sent."""
        self._open.add(request)

    def took(self, request: Request) -> None:
        """One sample of a request has been used."""
        request.n_left -= 1
        if not request.n_left:
            self._open.discard(request)
            request.answer = None

    def __del__(self) -> None:
        for request in self._open:
            if isinstance(request.answer, Future):
                request.answer.cancel()


class ReadAhead:
    """Keeps `most` requests open: of the announcement that is being read, and of those that come
    next when it leaves room."""

    def __init__(self, send: Callable[[Request], None], most: int) -> None:
        self._send = send
        """Sets the request's `answer`."""
        self._most = most
        self._announced: list[weakref.ref[Announcement]] = []

    def announce(self, places: Sequence[Place]) -> Announcement:
        """Ask for samples that will be taken in this order."""
        made = Announcement(places)
        self._announced = [ref for ref in self._announced if ref() is not None]
        self._announced.append(weakref.ref(made))
        n_open = sum(announcement.n_open for announcement in self._living())
        self._send_some(made, self._most - n_open)
        return made

    def take(
        self, announcement: Announcement, shard: int, start: int, n_bytes: int
    ) -> tuple[bytes, bool] | None:
        """A sample, and whether it came from afar; None when it was not announced. Raises what its
        request raises."""
        requests = announcement.by_place.get((shard, start))
        if not requests:
            return None
        request = requests.popleft()
        answer = request.answer
        # Cancelled: the reader was closed, which opens again when it is needed.
        if answer is None or (isinstance(answer, Future) and answer.cancelled()):
            self._send(request)
            announcement.opened(request)
            self._fill(announcement)
        is_new = isinstance(request.answer, Future)
        try:
            return request.part(start, n_bytes), is_new
        finally:
            announcement.took(request)
            self._fill(announcement)

    def _living(self) -> Iterator[Announcement]:
        for ref in self._announced:
            announcement = ref()
            if announcement is not None:
                yield announcement

    def _fill(self, reading: Announcement) -> None:
        """The one that is being read has `most` for itself, or one that was left in the middle
        would take all from it; others have what is left of `most`."""
        self._send_some(reading, self._most - reading.n_open)
        n_left = self._most - sum(announcement.n_open for announcement in self._living())
        for announcement in self._living():
            n_left -= self._send_some(announcement, n_left)

    def _send_some(self, announcement: Announcement, n: int) -> int:
        """Send at most `n` requests; return how many."""
        n_sent = 0
        while announcement.waiting and n_sent < n:
            request = announcement.waiting.popleft()
            if request.answer is None and request.n_left:
                self._send(request)
                announcement.opened(request)
                n_sent += 1
        return n_sent
