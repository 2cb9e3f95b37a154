"""How the fetch gets on, for a person: speed, success, hosts; a warning with its likely cause."""

import logging
import time
from collections import Counter
from collections.abc import Callable

from webpairs_core.progress import Progress
from webpairs_core.records import Outcome

log = logging.getLogger(__name__)

_ENOUGH = 200
"""Results before a share of them means something."""
_NOTE_EVERY_S = 1.0
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
    Outcome.SIDE_TOO_SHORT: "image.min_side_px may be high for this list",
    Outcome.ASPECT_TOO_LONG: "image.max_aspect may be low for this list",
    Outcome.TOO_LARGE: "fetch.max_bytes may be low for this list",
    Outcome.TOO_MANY_PIXELS: "image.max_pixels may be low for this list",
    Outcome.DECODER_CRASHED: "is there enough memory for the decoders?",
}


class FetchProgress:
    """`with FetchProgress(total, warn_below, n_hosts) as progress: progress.add(outcome, n_bytes)`.

    `n_hosts` says how many hosts are in hand at the moment.
    """

    def __init__(self, total: int, warn_below: float, n_hosts: Callable[[], int]) -> None:
        self._progress = Progress("fetch", "images", total)
        self._total = total
        """Without those that an earlier run had done."""
        self._warn_below = warn_below
        self._n_hosts = n_hosts
        self.counts: Counter[Outcome] = Counter()
        self._n = self._n_bytes = 0
        self._warned_of: set[Outcome] = set()
        self._noted = 0.0

    def __enter__(self) -> "FetchProgress":
        self._began = time.monotonic()
        self._progress.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.__exit__(None, None, None)

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
        if is_due:
            self._noted = now
            self._warn()

    def _note(self, now: float) -> str:
        took_s = max(now - self._began, 1e-9)
        left_s = took_s / self._n * (self._total - self._n)
        parts = [
            f"{self._n_bytes / 1e6 / took_s:.1f} MB/s",
            f"{self.counts[Outcome.OK] / self._n:.0%} ok",
            *(f"{o} {n:,}" for o, n in self.counts.most_common(_SHOWN) if o is not Outcome.OK),
            f"{self._n_hosts():,} hosts",
            f"{_duration(left_s)} left",
        ]
        return ", ".join(parts)

    def _warn(self) -> None:
        sentence = warning(self.counts, self._warn_below) if self._n >= _ENOUGH else ""
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
    cause = _CAUSES.get(worst, "look at the outcomes")
    return f"only {share:.0%} of the images are had: {counts[worst] / n:.0%} {worst} ({cause})"


def _worst(counts: Counter[Outcome]) -> Outcome:
    failed = [(n, outcome) for outcome, n in counts.items() if outcome is not Outcome.OK]
    return max(failed, default=(0, Outcome.OK))[1]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
