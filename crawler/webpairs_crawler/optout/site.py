"""What each site asks of crawlers, asked once a day and kept: robots.txt and the files beside it.

Only robots.txt can close a site by its absence (RFC 9309: unreachable means no). All other files
are optional, so one that cannot be had counts as not there.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Literal

import msgspec

from webpairs_core.records import Outcome
from webpairs_crawler.options import CrawlSection
from webpairs_crawler.optout import robots, site_files
from webpairs_crawler.optout.patterns import Pattern, UrlPath, most_specific
from webpairs_crawler.optout.robots import Rules
from webpairs_crawler.optout.rsl import read_rsl
from webpairs_crawler.optout.signals import forbids, signal, usage_signals
from webpairs_crawler.optout.site_files import Reservation
from webpairs_crawler.web.urls import join, origin_of

LIFE_S = 24 * 3600.0
"""RFC 9309 §2.4: a robots.txt is not used for more than a day."""
FAILURE_LIFE_S = 600.0
"""A site that could not be asked is asked again after this; until then nothing of it is fetched."""
MAX_SITES = 10_000
MAX_BYTES = 64 * 1024 * 1024
"""Kept of all sites together, about; beyond, the sites used longest ago are dropped."""

Where = Literal["page", "image"]


class SiteAnswer(msgspec.Struct, frozen=True):
    """What came of asking for a site's file, after its redirects."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Get = Callable[[str, int], Awaitable[SiteAnswer | Outcome]]
"""URL, most bytes to read -> the answer after at most 5 redirects, its body cut at that many bytes
(never refused for its length), or the outcome that kept it away. Raises for nothing the web does.
"""


class SiteFiles(msgspec.Struct, frozen=True):
    """What the optional files of a site say."""

    tdmrep: tuple[tuple[Pattern, Reservation], ...] = ()
    ai_txt: Rules | None = None
    trust_txt: str = ""
    terms: tuple[tuple[Pattern, str], ...] = ()
    """RSL: what a licence means for training, by location."""

    @property
    def n_bytes(self) -> int:
        """About what this object holds in memory."""
        patterns = [rule[0] for rule in (*self.tdmrep, *self.terms)]
        n_policies = sum(len(says.policy) for _, says in self.tdmrep)
        n_ai_txt = self.ai_txt.n_bytes if self.ai_txt else 0
        return sum(pattern.n_bytes for pattern in patterns) + n_policies + n_ai_txt


class Site:
    """What one origin asks."""

    is_closed_for_now = False
    """robots.txt answered 5xx or 429: nothing may be fetched, but nobody has said no either."""

    def __init__(
        self, origin: str, section: CrawlSection, rules: Rules, files: SiteFiles | None = None
    ) -> None:
        self._section = section
        self._rules = rules
        self._files = files or SiteFiles()
        self._named = tuple(a for a in section.ai_agents if rules.names(a))
        licenses = (join(origin, found) for found in rules.licenses)
        self._licenses = tuple(found for found in licenses if found)
        self.crawl_delay_s = rules.crawl_delay(section.agent)
        joined = (join(origin, found) for found in rules.sitemaps)
        self.sitemaps: tuple[str, ...] = tuple(dict.fromkeys(found for found in joined if found))
        """Absolute URLs, without repeats."""

    @property
    def n_bytes(self) -> int:
        """About what this object holds in memory."""
        return 3_000 + self._rules.n_bytes + self._files.n_bytes + sum(map(len, self.sitemaps))

    def refusal(self, url: str, where: Where = "page") -> Outcome | None:
        """Why this canonical URL may not be fetched; None when it may.

        ROBOTS: robots.txt keeps our own agent away, whatever the policy. OPTED_OUT: the site's
        signals forbid the use under the recipe's policy.
        """
        if not self._rules.allows(self._section.agent, url):
            return Outcome.ROBOTS
        if self._section.optout == "report":
            return None
        is_forbidden = forbids(self.signals(url, where), self._section.optout)
        return Outcome.OPTED_OUT if is_forbidden else None

    def signals(self, url: str, where: Where) -> tuple[str, ...]:
        """All that the site says of the use of this URL, sorted: `name:value@where`."""
        return tuple(sorted(set(self._signals(url, where))))

    def _signals(self, url: str, where: Where) -> Iterator[str]:
        for agent in self._rules.forbids_named(self._named, url) if self._named else ():
            yield signal("robots", agent.lower(), where)
        for field, text in self._rules.content_usage(self._section.agent, url):
            yield from usage_signals(f"robots-{field}", text, where)
        files = self._files
        path = UrlPath.of(url) if files.tdmrep or files.terms else None
        if path:
            for says in most_specific(files.tdmrep, path):
                yield signal("tdmrep", "1" if says.is_reserved else "0", where)
                if says.policy:
                    yield signal("tdm-policy", says.policy, where)
            for terms in most_specific(files.terms, path):
                yield signal("rsl", f"ai-train={terms}", where)
        for found in self._licenses:
            yield signal("rsl-license", found, where)
        if files.trust_txt:
            yield signal("trust-txt", f"datatrainingallowed={files.trust_txt}", where)
        if where == "image" and files.ai_txt and not files.ai_txt.allows(self._section.agent, url):
            yield signal("ai-txt", "disallow", where)


class _Entry:
    """A site being asked, or asked."""

    def __init__(self) -> None:
        self.task: asyncio.Future[Site | Outcome]
        self.good_until = math.inf
        self.n_bytes = 0


class Sites:
    """The sites of a crawl: each origin is asked once at a time, and kept for a day."""

    def __init__(
        self, get: Get, section: CrawlSection, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._get = get
        self._section = section
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._n_bytes = 0

    async def of(self, url: str) -> Site | Outcome:
        """What the origin of this canonical URL asks.

        An Outcome says what kept robots.txt away: nothing of the site may be fetched then.
        """
        origin = origin_of(url)
        entry = self._entries.get(origin)
        if entry is not None and entry.good_until <= self._clock():
            self._drop(origin)
            entry = None
        if entry is None:
            entry = self._entries[origin] = _Entry()
            entry.task = asyncio.ensure_future(self._load(origin, entry))
        self._entries.move_to_end(origin)
        # One caller that gives up must not take the answer from the others.
        return await asyncio.shield(entry.task)

    async def _load(self, origin: str, entry: _Entry) -> Site | Outcome:
        life_s = 0.0  # whatever goes wrong below is asked again
        site: Site | Outcome | None = None
        try:
            site, life_s = await self._ask(origin)
            return site
        finally:
            entry.good_until = self._clock() + life_s
            if isinstance(site, Site) and self._entries.get(origin) is entry:
                entry.n_bytes = site.n_bytes
                self._n_bytes += entry.n_bytes
            self._shrink(origin)

    async def _ask(self, origin: str) -> tuple[Site | Outcome, float]:
        answer = await self._get(f"{origin}/robots.txt", robots.MAX_BYTES + 1)
        if answer in (Outcome.TOO_MANY_REDIRECTS, Outcome.BAD_URL):
            answer = SiteAnswer(404)  # RFC 9309 §2.3.1.2: as if it were absent
        if isinstance(answer, Outcome):
            return answer, FAILURE_LIFE_S
        rules = Rules.from_response(answer.status, answer.body)
        rules.keep_only((self._section.agent, *self._section.ai_agents))
        is_failure = answer.status >= 500 or answer.status == 429
        if is_failure:
            site = Site(origin, self._section, rules)
            site.is_closed_for_now = True
            return site, FAILURE_LIFE_S
        return Site(origin, self._section, rules, await self._files(origin, rules)), LIFE_S

    async def _files(self, origin: str, rules: Rules) -> SiteFiles:
        """The optional files that the recipe names, as far as robots.txt lets us read them."""
        wanted = self._section.site_files
        names = [name for name in site_files.PATHS if name in wanted]
        urls = [f"{origin}{site_files.PATHS[name]}" for name in names]
        joined = (join(origin, found) for found in rules.licenses if "rsl" in wanted)
        licenses = [found for found in joined if found]
        asked = [self._body(origin, rules, url) for url in (*urls, *licenses)]
        bodies = await asyncio.gather(*asked)
        found = dict(zip(names, bodies, strict=False))
        terms = (read_rsl(body, origin) for body in bodies[len(names) :] if body)
        return SiteFiles(
            tdmrep=site_files.read_tdmrep(found.get("tdmrep", b"")),
            ai_txt=site_files.read_ai_txt(found["ai_txt"]) if found.get("ai_txt") else None,
            trust_txt=site_files.read_trust_txt(found.get("trust_txt", b"")),
            terms=tuple(rule for rules_of_one in terms for rule in rules_of_one),
        )

    async def _body(self, origin: str, rules: Rules, url: str) -> bytes:
        """The bytes of an optional file; none when it cannot be had, in whatever way."""
        if origin_of(url) == origin and not rules.allows(self._section.agent, url):
            return b""
        answer = await self._get(url, site_files.MAX_BYTES + 1)
        if isinstance(answer, Outcome) or not 200 <= answer.status < 300:
            return b""
        return answer.body if len(answer.body) <= site_files.MAX_BYTES else b""

    def _shrink(self, newest: str) -> None:
        """Drop the sites used longest ago, but none that is still being asked."""
        while len(self._entries) > MAX_SITES or self._n_bytes > MAX_BYTES:
            idle = (o for o, e in self._entries.items() if e.good_until < math.inf and o != newest)
            origin = next(idle, None)
            if origin is None:
                return
            self._drop(origin)

    def _drop(self, origin: str) -> None:
        self._n_bytes -= self._entries.pop(origin).n_bytes
