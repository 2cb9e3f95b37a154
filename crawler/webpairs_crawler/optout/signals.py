"""Opt-out signals of pages, images and sites, and what they forbid.

A signal is written `name:value@where`, for example `x-robots-tag:noai@image`. What is seen is
recorded; whether it forbids is the recipe's policy. Deny wins: signals are a set, and none takes
another back, but for one that its standard gives the last word (TDMRep's header over its file).
"""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote_from_bytes

from webpairs_crawler.options import OptoutPolicy
from webpairs_crawler.optout.content_usage import preferences
from webpairs_crawler.optout.robots import product_token

RESTRICTIONS = frozenset(
    ["noai", "noimageai", "noindex", "noimageindex", "none", "nofollow", "noarchive", "nosnippet"]
)
"""The robots tokens that take something away; all others only repeat the default."""
MAX_VALUE = 300
"""Characters of a signal's value that are recorded: some are URLs."""

_ROBOTS_TOKENS = (
    frozenset(["noai", "noimageai", "noimageindex"]),
    frozenset(["noindex", "none"]),
)
_USAGES = (
    frozenset(["train-ai=n", "train-genai=n", "ai=n", "bots=n"]),
    frozenset(["search=n"]),
)
_NOTHING: frozenset[str] = frozenset()
FORBIDDING: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "x-robots-tag": _ROBOTS_TOKENS,
    "meta-robots": _ROBOTS_TOKENS,
    "tdm-reservation": (frozenset(["1"]), _NOTHING),
    "tdmrep": (frozenset(["1"]), _NOTHING),
    "content-usage": _USAGES,
    "robots-content-usage": _USAGES,
    "robots-content-signal": (frozenset(["ai-train=n"]), frozenset(["search=n"])),
    "rsl": (
        frozenset(f"ai-train={terms}" for terms in ("prohibited", "paid", "on_request"))
        | {"ai-train=not_offered"},
        _NOTHING,
    ),
    "ai-txt": (frozenset(["disallow"]), _NOTHING),
    "trust-txt": (frozenset(["datatrainingallowed=no"]), _NOTHING),
    "c2pa": (
        frozenset(
            f"{use}={answer}"
            for use in ("data_mining", "ai_training", "ai_generative_training")
            for answer in ("notallowed", "constrained")
        ),
        _NOTHING,
    ),
}
"""By signal, the values (lower case) that forbid the use of an image under `default`, and those
that do so under `strict` only. Two are not lists: `robots` forbids with any value, for each is an
AI agent kept away, and `iptc` with any that begins DMI-PROHIBITED.

default takes what speaks of training or of collecting images; strict takes what asks search engines
to stay away too (noindex, none, search=n). Recorded only, under any policy: nofollow, noarchive,
nosnippet, ai-use, ai-output and ai-input (answers of a running model, not training), tdm-policy,
rsl-license, and everything that allows.
"""

# Directives that carry a value of their own: their name before the colon is not an agent's.
_VALUED = frozenset(["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"])
_AGENT = re.compile(r"\s*([A-Za-z0-9_.*-]+)\s*:(.*)\Z", re.DOTALL)
_TDM = ("tdm-reservation", "tdm-policy")
_UNWRITABLE = re.compile(r"[\x00-\x20\x7f]+")
_PRINTABLE = bytes(range(0x21, 0x7F))
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_LINK_REL = re.compile(r';\s*rel\s*=\s*"?([^";,]*)', re.IGNORECASE)
_LINK_TYPE = re.compile(r';\s*type\s*=\s*"?([^";,]*)', re.IGNORECASE)
_RSL_TYPE = "application/rsl+xml"


def signal(name: str, value: str, where: str) -> str:
    """Write one signal: a word of printable ASCII (the rest percent-encoded), of bounded length."""
    word = _UNWRITABLE.sub("", value)
    if not word.isascii():  # undecodable bytes of headers are surrogates, which no file can hold
        word = quote_from_bytes(word.encode("utf-8", "backslashreplace"), _PRINTABLE)
    return f"{name}:{word[:MAX_VALUE]}@{where}"


def signals_from_headers(
    headers: Iterable[tuple[str, str]], where: str, agent: str
) -> tuple[str, ...]:
    """The signals in HTTP response headers (repeated ones included), sorted.

    `where` is `page` or `image`; `agent` is our User-Agent: X-Robots-Tag lines for others do not
    count.
    """
    found: set[str] = set()
    for name, value in headers:
        lower = name.lower()
        if lower == "x-robots-tag":
            found |= {signal(lower, token, where) for token in _header_tokens(value, agent)}
        elif lower in _TDM:
            found |= _tdm(lower, value, where)
        elif lower == "content-usage":
            found |= set(usage_signals(lower, value, where))
        elif lower == "link":
            links = _LINK.findall(value)
            parsed = [(_first(_LINK_REL, rest), _first(_LINK_TYPE, rest), u) for u, rest in links]
            found |= set(signals_from_links(parsed, where))
    return tuple(sorted(found))


def signals_from_meta(metas: Iterable[tuple[str, str]], agent: str) -> tuple[str, ...]:
    """The signals in a page's `meta` elements, given as (name, content), sorted."""
    own = product_token(agent).lower()
    found: set[str] = set()
    for name, content in metas:
        lower = name.strip().lower()
        if lower in ("robots", own):
            tokens = (token.strip().lower() for token in content.split(","))
            found |= {signal("meta-robots", t, "page") for t in tokens if t in RESTRICTIONS}
        elif lower in _TDM:
            found |= _tdm(lower, content, "page")
    return tuple(sorted(found))


def signals_from_links(
    links: Iterable[tuple[str, str, str]], where: str = "page"
) -> tuple[str, ...]:
    """The RSL licences among links given as (rel, type, href), sorted.

    That there is one is recorded; what it says is only known of those that robots.txt names
    (`webpairs_crawler.optout.site`): a page is read without asking the network.
    """
    found = {
        signal("rsl-license", href, where)
        for rel, kind, href in links
        if "license" in rel.lower().split() and kind.strip().lower() == _RSL_TYPE
    }
    return tuple(sorted(found))


def usage_signals(name: str, text: str, where: str) -> tuple[str, ...]:
    """The signals in one Content-Usage or Content-Signal line, sorted; yes and no as y and n."""
    found = preferences(text)
    written = (f"{label}={'y' if is_allowed else 'n'}" for label, is_allowed in found.items())
    return tuple(sorted(signal(name, value, where) for value in written))


def forbids(signals: Iterable[str], policy: OptoutPolicy) -> bool:
    """Whether these signals forbid the use of an image under the recipe's policy.

    `report`: nothing does; `default` and `strict`: see `FORBIDDING`.
    """
    if policy == "report":
        return False
    seen = set(signals)
    for written in seen:
        name, _, rest = written.partition(":")
        value, _, where = rest.rpartition("@")
        lower = value.lower()
        if name == "robots" or (name == "iptc" and lower.startswith("dmi-prohibited")):
            return True
        by_default, when_strict = FORBIDDING.get(name, (_NOTHING, _NOTHING))
        if lower in by_default or (policy == "strict" and lower in when_strict):
            # TDMRep: the file speaks only where the response itself does not.
            if name == "tdmrep" and f"tdm-reservation:0@{where}" in seen:
                continue
            return True
    return False


def forbids_links(signals: Iterable[str]) -> bool:
    """Whether a page asks that its links be not followed."""
    for written in signals:
        name, _, rest = written.partition(":")
        is_robots = name in ("x-robots-tag", "meta-robots")
        if is_robots and rest.rpartition("@")[0] in ("nofollow", "none"):
            return True
    return False


def _tdm(name: str, value: str, where: str) -> set[str]:
    """TDMRep in a header or a meta element (W3C TDMRep final report, 2024-05-10)."""
    text = value.strip()
    is_known = text in ("0", "1") if name == "tdm-reservation" else bool(text)
    return {signal(name, text, where)} if is_known else set()


def _header_tokens(value: str, agent: str) -> Iterator[str]:
    """The restrictions of one X-Robots-Tag line that speak to us.

    `googlebot: noindex, nofollow` speaks to googlebot until the line ends or another agent is
    named.
    """
    own = product_token(agent).lower()
    is_ours = True
    for part in value.split(","):
        scoped = _AGENT.match(part)
        if scoped and scoped.group(1).lower() not in _VALUED:
            is_ours = scoped.group(1).lower() in (own, "*")
            part = scoped.group(2)
        token = part.strip().lower()
        if is_ours and token in RESTRICTIONS:
            yield token


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group(1).strip() if found else ""
