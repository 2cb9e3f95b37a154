"""Ask a page or an image that was used once whether it may still be used, by its headers alone.

Only what was said counts: a site that cannot be reached has withdrawn nothing, so its addresses are
unknown, never forbidden.
"""

from enum import StrEnum

import msgspec

from webpairs_core.records import Outcome
from webpairs_crawler.images.fetcher import Fetcher
from webpairs_crawler.optout.site import Where


class Verdict(StrEnum):
    """What became of one address; a closed list, the gravest first."""

    OPTED_OUT = "opted_out"
    ROBOTS = "robots"
    """Its robots.txt keeps our own agent away now."""
    GONE = "gone"
    """404 or 410: nothing is there, which is no opt-out."""
    UNKNOWN = "unknown"
    """It could not be asked."""
    FINE = "fine"


MUST_GO = (Verdict.OPTED_OUT, Verdict.ROBOTS)
_NOT_THERE = (404, 410)


class Checked(msgspec.Struct, frozen=True):
    """The verdict on one address and what it rests on."""

    verdict: Verdict
    signals: tuple[str, ...] = ()
    """Each `name:value@where`; beside opt-out signals `http:404@image` and `outcome:dns@page`."""


async def recheck(fetcher: Fetcher, url: str, where: Where) -> Checked:
    """Ask for the headers of one address. Never raises for what the web does."""
    got = await fetcher.ask(url, where)
    if got.outcome is Outcome.OK:
        return Checked(Verdict.FINE, got.optout)
    if got.outcome is Outcome.OPTED_OUT:
        return Checked(Verdict.OPTED_OUT, got.optout)
    if got.outcome is Outcome.ROBOTS and not got.is_for_now:
        return Checked(Verdict.ROBOTS, (*got.optout, f"robots:disallow@{where}"))
    if got.http_status in _NOT_THERE:
        return Checked(Verdict.GONE, (f"http:{got.http_status}@{where}",))
    return Checked(Verdict.UNKNOWN, (f"outcome:{got.outcome}@{where}",))


def gravest(*checked: Checked) -> Checked:
    """The verdict on a sample from those on its page and its image, with all their signals."""
    order = list(Verdict)
    verdict = min((each.verdict for each in checked), key=order.index)
    return Checked(verdict, tuple(dict.fromkeys(s for each in checked for s in each.signals)))
