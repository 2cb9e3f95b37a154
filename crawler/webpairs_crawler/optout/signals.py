"""Opt-out signals of pages and images: X-Robots-Tag, meta robots, TDMRep; and what they forbid.

A signal is written `name:value@where`, for example `x-robots-tag:noai@image`. What is seen is
recorded; whether it forbids is the recipe's policy. Deny wins: signals are a set, nothing takes one
back.
"""

import re
from collections.abc import Iterable, Iterator

from webpairs_crawler.options import OptoutPolicy
from webpairs_crawler.optout.robots import product_token

RESTRICTIONS = frozenset(
    ["noai", "noimageai", "noindex", "noimageindex", "none", "nofollow", "noarchive", "nosnippet"]
)
"""The robots tokens that take something away; all others only repeat the default."""

_FORBID_TRAINING = frozenset(["noai", "noimageai"])
_FORBID_INDEXING = frozenset(["noindex", "noimageindex", "none"])
# Directives that carry a value of their own: their name before the colon is not an agent's.
_VALUED = frozenset(["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"])
_AGENT = re.compile(r"\s*([A-Za-z0-9_.*-]+)\s*:(.*)\Z", re.DOTALL)
_TDM_RESERVATION = "tdm-reservation"


def signals_from_headers(
    headers: Iterable[tuple[str, str]], where: str, agent: str
) -> tuple[str, ...]:
    """The signals in HTTP response headers (repeated ones included), sorted.

    `where` is `page` or `image`; `agent` is our User-Agent: X-Robots-Tag lines for others do not
    count.
    """
    found = set()
    for name, value in headers:
        lower = name.lower()
        if lower == "x-robots-tag":
            found |= {f"x-robots-tag:{token}@{where}" for token in _header_tokens(value, agent)}
        elif lower == _TDM_RESERVATION and value.strip() == "1":
            found.add(f"{_TDM_RESERVATION}:1@{where}")
    return tuple(sorted(found))


def signals_from_meta(metas: Iterable[tuple[str, str]], agent: str) -> tuple[str, ...]:
    """The signals in a page's `meta` elements, given as (name, content), sorted."""
    own = product_token(agent).lower()
    found = set()
    for name, content in metas:
        lower = name.strip().lower()
        if lower in ("robots", own):
            tokens = (token.strip().lower() for token in content.split(","))
            found |= {f"meta-robots:{token}@page" for token in tokens if token in RESTRICTIONS}
        elif lower == _TDM_RESERVATION and content.strip() == "1":
            found.add(f"{_TDM_RESERVATION}:1@page")
    return tuple(sorted(found))


def forbids(signals: Iterable[str], policy: OptoutPolicy) -> bool:
    """Whether these signals forbid the use of an image under the recipe's policy.

    `default`: noai, noimageai and a TDM reservation do (the latter is EU Directive 2019/790, Art.
    4); `strict`: noindex, noimageindex and none too; `report`: nothing does.
    """
    if policy == "report":
        return False
    tokens = _FORBID_TRAINING | _FORBID_INDEXING if policy == "strict" else _FORBID_TRAINING
    for signal in signals:
        name, _, rest = signal.partition(":")
        value = rest.partition("@")[0]
        if name == _TDM_RESERVATION or value in tokens:
            return True
    return False


def forbids_links(signals: Iterable[str]) -> bool:
    """Whether a page asks that its links be not followed."""
    return any(s.partition(":")[2].partition("@")[0] in ("nofollow", "none") for s in signals)


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
