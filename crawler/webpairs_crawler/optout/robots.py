"""robots.txt by RFC 9309, for pages and for images.

A parser of our own and not protego's: a site speaks to us in lines that protego drops (groups that
name one AI agent, Content-Usage, License), and Google's published cases must hold (protego 0.7
misses 12 of 142). Where the RFC and Google's parser differ, over %61 and a, a Disallow is read the
wide way and an Allow the narrow way: doubt never opens a door.
"""

import re
from collections.abc import Iterable
from typing import Self

import msgspec

from webpairs_crawler.optout.patterns import Pattern, UrlPath, most_specific

MAX_BYTES = 500 * 1024
"""What a crawler must read at least (RFC 9309 §2.5); we read no more."""
MAX_REDIRECTS = 5
"""Hops after which a robots.txt counts as absent (RFC 9309 §2.3.1.2)."""
MAX_LINE = 8 * 2083 - 1
"""Characters of a line that count, as in Google's parser: eight times the longest URL."""
MAX_SITEMAPS = 1_000
MAX_LICENSES = 3

_FIELDS = {
    "user-agent": "agent",
    "useragent": "agent",
    "user agent": "agent",
    "allow": "allow",
    "disallow": "disallow",
    "dissallow": "disallow",
    "dissalow": "disallow",
    "disalow": "disallow",
    "diasllow": "disallow",
    "disallaw": "disallow",
    "crawl-delay": "delay",
    "crawldelay": "delay",
    "crawl delay": "delay",
    "content-usage": "content-usage",
    "content-signal": "content-signal",
    "sitemap": "sitemap",
    "site-map": "sitemap",
    "license": "license",
}
"""The fields that matter, with the misspellings that Google's parser accepts."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_BARE_LINE = re.compile(r"(user agent|\S+)[ \t]+(\S+)", re.IGNORECASE)
"""A line without its colon counts if it has two words."""
_EVERYONE = re.compile(r"\*(?:\s|\Z)")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_ONE_PRODUCT = re.compile(r"[^\s/]*(?:/|\s*\(|\s*\Z)")
_ROBOTS = UrlPath("/robots.txt", "/robots.txt")


class _Group:
    """The rules for some agents; `is_closed` once a rule was read: a new name opens another."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.rules: list[tuple[Pattern, bool]] = []
        self.is_closed = False

    def add(self, path: str, *, is_allow: bool) -> None:
        self.is_closed = True
        if not path:
            return
        self.rules.append((Pattern.of(path, is_wide=not is_allow), is_allow))
        folder, found, _ = path.rpartition("/index.htm")
        if is_allow and found and "/" not in path[len(folder) + 1 :]:
            # Google: who allows a folder's index.html allows the folder.
            self.rules.append((Pattern.of(f"{folder}/$", is_wide=False), True))

    def seal(self) -> None:
        """Put the rule that wins first: the longest, and of equals the one that allows."""
        self.rules.sort(key=lambda rule: (-rule[0].length, not rule[1]))

    def verdict(self, path: UrlPath) -> tuple[int, bool]:
        for pattern, is_allow in self.rules:
            if pattern.matches(path.written if is_allow else path.normal):
                return pattern.length, is_allow
        return -1, True


class _Extras(msgspec.Struct):
    """What one name was told beside its rules."""

    delay_s: float | None = None
    usages: list[tuple[Pattern, tuple[str, str]]] = []


class Rules:
    """What one origin's robots.txt says. Read only once made."""

    def __init__(self, otherwise: bool) -> None:
        self._otherwise = otherwise
        self._groups: dict[str, list[_Group]] = {}
        self._extras: dict[str, _Extras] = {}
        self.sitemaps: tuple[str, ...] = ()
        """As written: they may be relative."""
        self.licenses: tuple[str, ...] = ()
        """RSL documents, as written."""

    @classmethod
    def from_response(cls, status: int, body: bytes) -> Self:
        """The rules that an answer to GET /robots.txt means, after its redirects.

        2xx: the body. 5xx: nothing may be fetched (RFC 9309 §2.3.1.4). Other: all may (§2.3.1.3).
        429 counts as 5xx, as Google has it: a server that asks for less load has not said yes.
        """
        if not 200 <= status < 300:
            return cls(otherwise=status < 500 and status != 429)
        rules = cls(otherwise=True)
        rules._read(body)
        return rules

    @classmethod
    def unreachable(cls) -> Self:
        """No answer at all: nothing may be fetched (RFC 9309 §2.3.1.4)."""
        return cls(otherwise=False)

    @property
    def n_bytes(self) -> int:
        """About what this object holds in memory."""
        groups = {id(group): group for some in self._groups.values() for group in some}
        patterns = [pattern for group in groups.values() for pattern, _ in group.rules]
        usages = [usage for extras in self._extras.values() for usage in extras.usages]
        patterns += [pattern for pattern, _ in usages]
        n_characters = sum(len(text) for _, (_, text) in usages) + sum(map(len, self.sitemaps))
        return sum(pattern.n_bytes for pattern in patterns) + n_characters

    def allows(self, agent: str, url: str) -> bool:
        """Whether `agent` (User-Agent header or product token) may fetch this absolute URL.

        The URL must be canonical: an Allow is compared with it as it is written.
        """
        path = UrlPath.of(url)
        own = self._groups.get(product_token(agent).lower())
        everyone = self._groups.get("*", [])
        if own is None:
            return self._allows(everyone, path)
        # "Foo Bar" is no product token (Google): it obeys the group of Foo and the one for all.
        is_one_product = _ONE_PRODUCT.match(agent) is not None
        return self._allows(own, path) and (is_one_product or self._allows(everyone, path))

    def names(self, agent: str) -> bool:
        """Whether a group names this agent, other than by `*`."""
        return product_token(agent).lower() in self._groups

    def forbids_named(self, agents: Iterable[str], url: str) -> tuple[str, ...]:
        """Those of the agents that a group names and keeps from the URL."""
        path = UrlPath.of(url)
        verdicts: dict[tuple[int, ...], bool] = {}  # one group often names them all
        forbidden = []
        for agent in agents:
            own = self._groups.get(product_token(agent).lower())
            if own is None:
                continue
            which = tuple(map(id, own))
            if which not in verdicts:
                verdicts[which] = self._allows(own, path)
            if not verdicts[which]:
                forbidden.append(agent)
        return tuple(forbidden)

    def crawl_delay(self, agent: str) -> float | None:
        """Seconds between two requests that the site asks for (not in the RFC, but widely used)."""
        return self._extras_of(agent).delay_s

    def content_usage(self, agent: str, url: str) -> tuple[tuple[str, str], ...]:
        """The preferences for a URL: (`content-usage` or `content-signal`, the text after it).

        Of lines with a path the longest that matches (draft-ietf-aipref-attach §3); several when
        they are of equal length. Content-Signal is Cloudflare's, in the same place.
        """
        return tuple(most_specific(self._extras_of(agent).usages, UrlPath.of(url)))

    def keep_only(self, agents: Iterable[str]) -> None:
        """Forget the groups of all others: a file of 500 KiB may hold thousands."""
        kept = {product_token(agent).lower() for agent in agents} | {"*"}
        self._groups = {name: g for name, g in self._groups.items() if name in kept}
        self._extras = {name: e for name, e in self._extras.items() if name in kept}

    def _allows(self, groups: list[_Group], path: UrlPath) -> bool:
        if path == _ROBOTS:
            return True  # RFC 9309 §2.2.2
        if not groups:
            return self._otherwise
        return max(group.verdict(path) for group in groups)[1]

    def _extras_of(self, agent: str) -> _Extras:
        name = product_token(agent).lower()
        return self._extras.get(name if name in self._groups else "*") or _Extras()

    def _read(self, body: bytes) -> None:
        sitemaps: dict[str, None] = {}
        licenses: dict[str, None] = {}
        group = _Group()
        for field, value in _fields(body):
            if field == "agent":
                if group.is_closed:
                    group = _Group()
                name = "*" if _EVERYONE.match(value) else _first_name(value)
                if name and name not in group.names:
                    group.names.append(name)
                    self._groups.setdefault(name, []).append(group)
            elif field == "sitemap" and len(sitemaps) < MAX_SITEMAPS:
                sitemaps[value] = None
            elif field == "license" and len(licenses) < MAX_LICENSES:
                licenses[value] = None
            elif group.names and field in ("allow", "disallow"):
                group.add(value, is_allow=field == "allow")
            elif field in ("delay", "content-usage", "content-signal"):
                self._add_extra(group.names, field, value)
        for groups in self._groups.values():
            for group in groups:
                group.seal()
        self.sitemaps, self.licenses = tuple(sitemaps), tuple(licenses)

    def _add_extra(self, names: list[str], field: str, value: str) -> None:
        """Lines that are no rules close no group: they speak to the names read so far."""
        for name in names:
            extras = self._extras.setdefault(name, _Extras())
            if field == "delay":
                delay_s = _seconds(value)
                if delay_s is not None:
                    extras.delay_s = max(delay_s, extras.delay_s or 0.0)
            else:
                path, text = _path_and_text(value)
                if field == "content-signal":
                    text = text.lower()  # AIPREF minds the case, Cloudflare does not say
                extras.usages.append((Pattern.of(path), (field, text)))


def product_token(agent: str) -> str:
    """The name that robots.txt and X-Robots-Tag address: `webpairs` of `webpairs/0.1 (+https://...)`.

    The contact in the comment must not match a group: it may hold any word.
    """
    words = agent.split()
    return words[0].split("/")[0] if words else ""


def _fields(body: bytes) -> Iterable[tuple[str, str]]:
    """The lines that matter, as (field, value)."""
    is_cut = len(body) > MAX_BYTES
    for start in (b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"):
        if body.startswith(start):  # Google: a part of a byte order mark is dropped too
            body = body[len(start) :]
            break
    lines = _LINE_END.split(body[:MAX_BYTES].decode("utf-8", "surrogateescape"))
    if is_cut:
        lines.pop()  # half a path would forbid more than the site said
    for line in lines:
        text = line[:MAX_LINE].partition("#")[0].strip()
        key, colon, value = text.partition(":")
        if not colon:
            bare = _BARE_LINE.fullmatch(text)
            if bare is None:
                continue
            key, value = bare.groups()
        field = _field(key.strip().lower())
        if field:
            yield field, value.strip()


def _field(key: str) -> str:
    """Google takes a key by its beginning: `User-agents`, `Disallow from`."""
    if key in _FIELDS:
        return _FIELDS[key]
    return next((field for start, field in _FIELDS.items() if key.startswith(start)), "")


def _first_name(value: str) -> str:
    found = _NAME.match(value)
    return found.group().lower() if found else ""


def _path_and_text(value: str) -> tuple[str, str]:
    """A preference with or without its path: older drafts and Content-Signal have none."""
    words = value.split(None, 1)
    if value.startswith(("/", "*")) and len(words) == 2:
        return words[0], words[1]
    return "", value


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
