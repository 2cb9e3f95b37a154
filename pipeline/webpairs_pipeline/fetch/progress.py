"""How the fetch gets on, for a person: speed, success, hosts; a warning with its likely cause."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Protocol

from webpairs_core.progress import Progress
from webpairs_core.records import Outcome

log = logging.getLogger(__name__)

_ENOUGH = 200
"""Results before a share of them means something."""
_NOTE_EVERY_S = 1.0
_RATE_OVER_S = 60.0
"""What the time that is left is told by: the end of a list is slower than its middle."""
_SHOWN = 4
_CAUSES = {
    Outcome.DNS: "is the resolver reachable, and do the hosts still exist?",
    Outcome.CONNECT: "is the network up, or does a firewall keep this machine in?",
    Outcome.TLS: "are root certificates installed, and is the clock right?",
    Outcome.TIMEOUT: "is the line full? try a lower fetch.concurrency or a longer fetch.timeout_s",
    Outcome.SLOW: "is the line full? try a lower fetch.concurrency",
    Outcome.PROTOCOL: "does something between here and the hosts cut connections?",
    Outcome.HTTP_4XX: "is the list old, or do its hosts refuse this crawler? set crawl.contact",
    Outcome.HTTP_5XX: "are the hosts overloaded? try a lower fetch.per_host",
    Outcome.HOST_DOWN: "their hosts failed before; `webpairs fetch --retry host_down` asks again",
    Outcome.REFUSED_PRIVATE: "crawl.private_networks does not list their addresses",
    Outcome.ROBOTS: "the robots.txt of their hosts keeps this crawler away",
    Outcome.OPTED_OUT: "their owners do not permit the use",
    Outcome.NOT_IMAGE: "do the URLs lead to pages?",
    Outcome.BAD_URL: "is the URL column the right one?",
    Outcome.BLOCKED: "blocklist.files name them: are its distances too large?",
    Outcome.SIDE_TOO_SHORT: "image.min_side_px may be high for this list",
    Outcome.ASPECT_TOO_LONG: "image.max_aspect may be low for this list",
    Outcome.TOO_LARGE: "fetch.max_bytes may be low for this list",
    Outcome.TOO_MANY_PIXELS: "image.max_pixels may be low for this list",
    Outcome.CORRUPT: "does something between here and the hosts cut or change the bytes?",
    Outcome.TOO_MANY_REDIRECTS: "do the URLs lead to a login or a consent page?",
    Outcome.DECODER_CRASHED: "is there enough memory for the decoders?",
    Outcome.NO_CAPTION: "captions are a .txt beside each image, a column or a member of the tar; "
    "name a column with --caption-column",
    Outcome.MISSING_FILE: "the paths of a table start at its folder; name their column with "
    "--image-column",
    Outcome.OUTSIDE_SOURCE: "their paths lead out of what was given: copy the files into it",
    Outcome.BAD_ROW: "are they tables or JSON in UTF-8?",
}


class Hosts(Protocol):
    """What the fetcher says of its hosts."""

    @property
    def n_hosts(self) -> int:
        """Hosts in hand."""

    @property
    def pause_s(self) -> float:
        """How long all of them want to be left alone; 0 when one does not."""


class FetchProgress:
    """`with FetchProgress(total, warn_below, hosts) as progress: progress.add(outcome, 0)`."""

    def __init__(self, total: int, warn_below: float, hosts: Hosts) -> None:
        self._progress = Progress("fetch", "images", total)
        self._total = total
        """Without those that an earlier run had done."""
        self._warn_below = warn_below
        self._hosts = hosts
        self.counts: Counter[Outcome] = Counter()
        self._n = self._n_bytes = 0
        self._warned_of: set[Outcome] = set()
        self._noted = 0.0

    def __enter__(self) -> "FetchProgress":
        self._began = time.monotonic()
        self._marks = deque([(self._began, 0)])
        self._progress.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.__exit__(None, None, None)
        self._warn()

    def resume(self, n: int) -> None:
        """Images that an earlier run had done."""
        self._total -= n
        self._progress.add(n)

    def add(self, outcome: Outcome, n_bytes: int) -> None:
        """One image is done."""
        self.counts[outcome] += 1
        self._n += 1
        self._n_bytes += n_bytes
        now = time.monotonic()
        is_due = now - self._noted >= _NOTE_EVERY_S
        self._progress.add(1, self._note(now) if is_due else "")
        if is_due and self._n >= _ENOUGH:
            self._warn()

    async def tell_now_and_then(self) -> None:
        """Keep what is shown true while nothing is done, as when all hosts are left alone."""
        while True:
            await asyncio.sleep(_NOTE_EVERY_S)
            now = time.monotonic()
            if now - self._noted >= _NOTE_EVERY_S:
                self._progress.add(0, self._note(now))

    def _note(self, now: float) -> str:
        """What matters most first: a narrow terminal cuts the end."""
        self._noted = now
        self._marks.append((now, self._n))
        while now - self._marks[0][0] > _RATE_OVER_S and len(self._marks) > 2:
            self._marks.popleft()
        then, n_then = self._marks[0]
        rate = (self._n - n_then) / max(now - then, 1e-9)
        pause_s = self._hosts.pause_s
        parts = [f"{rate:.1f}/s", f"{self.counts[Outcome.OK] / max(self._n, 1):.0%} ok"]
        if pause_s >= 1:
            parts.append(f"all hosts left want a pause, the next for {pause_s:.0f} s")
        elif rate:
            parts.append(f"{_duration((self._total - self._n) / rate)} left")
        n_hosts = self._hosts.n_hosts
        parts += [
            f"{n_hosts:,} host{'s' * (n_hosts != 1)}",
            f"{self._n_bytes / 1e6 / max(now - self._began, 1e-9):.1f} MB/s",
            *(f"{o} {n:,}" for o, n in self.counts.most_common(_SHOWN) if o is not Outcome.OK),
        ]
        return ", ".join(parts)

    def _warn(self) -> None:
        sentence = warning(self.counts, self._warn_below)
        worst = _worst(self.counts)
        if sentence and worst not in self._warned_of:
            self._warned_of.add(worst)
            log.warning("%s", sentence)


def warning(counts: Counter[Outcome], warn_below: float) -> str:
    """A sentence when fewer than `warn_below` of the images succeed, with the likeliest cause."""
    n = counts.total()
    share = counts[Outcome.OK] / n if n else 1.0
    if share >= warn_below:
        return ""
    worst = _worst(counts)
    return (
        f"only {share:.0%} of the images are had: {counts[worst] / n:.0%} {worst} "
        f"({_CAUSES[worst]})"
    )


def cause_of(rejected: Mapping[str, int]) -> str:
    """The likeliest cause of the most frequent of these outcomes, by their names."""
    worst = max(rejected, key=lambda name: rejected[name], default="")
    return f"{worst}: {_CAUSES[Outcome(worst)]}" if worst else "there were no candidates"


def _worst(counts: Counter[Outcome]) -> Outcome:
    failed = [(n, outcome) for outcome, n in counts.items() if outcome is not Outcome.OK]
    return max(failed, default=(0, Outcome.OK))[1]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
