"""robots.txt by RFC 9309, for pages and for images.

protego matches the paths; around it lie the rules that it leaves to its caller (status codes, size)
and three repairs that the RFC and Google's published cases ask for: agent names end at the first
blank or slash, they match as a whole, and unknown lines never split a group.
"""

import re
from typing import Self

from protego import Protego

MAX_BYTES = 500 * 1024
"""What a crawler must read at least (RFC 9309 §2.5); we read no more."""
MAX_REDIRECTS = 5
"""Hops after which a robots.txt counts as absent (RFC 9309 §2.3.1.2)."""

_LINE = re.compile(
    r"\s*(user[- ]?agent|allow|dis+al+[ao]w|diasllow|crawl[- ]delay)\s*[:\s]\s*(.*)",
    re.IGNORECASE | re.DOTALL,
)
"""A line that matters, with the misspellings that protego knows; a blank may replace the colon."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_OTHER_LINE_ENDS = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")


class Rules:
    """What one origin's robots.txt allows."""

    def __init__(self, parsed: Protego | None, otherwise: bool) -> None:
        self._parsed = parsed
        self._otherwise = otherwise

    @classmethod
    def from_response(cls, status: int, body: bytes) -> Self:
        """The rules that an answer to GET /robots.txt means, after its redirects.

        2xx: the body. 5xx: nothing may be fetched (RFC 9309 §2.3.1.4). Other: all may (§2.3.1.3).
        429 counts as 5xx, as Google has it: a server that asks for less load has not said yes.
        """
        if 200 <= status < 300:
            return cls(Protego.parse(_repaired(body)), otherwise=True)
        return cls(None, otherwise=status < 500 and status != 429)

    @classmethod
    def unreachable(cls) -> Self:
        """No answer at all: nothing may be fetched (RFC 9309 §2.3.1.4)."""
        return cls(None, otherwise=False)

    def allows(self, agent: str, url: str) -> bool:
        """Whether `agent` (User-Agent header or product token) may fetch this absolute URL."""
        if self._parsed is None:
            return self._otherwise
        return bool(self._parsed.can_fetch(url, _whole(product_token(agent))))

    def crawl_delay(self, agent: str) -> float | None:
        """Seconds between two requests that the site asks for (not in the RFC, but widely used)."""
        if self._parsed is None:
            return None
        delay = self._parsed.crawl_delay(_whole(product_token(agent)))
        return None if delay is None else float(delay)


def product_token(agent: str) -> str:
    """The name that robots.txt and X-Robots-Tag address: `webpairs` of `webpairs/0.1 (+https://...)`.

    The contact in the comment must not match a group: it may hold any word.
    """
    words = agent.split()
    return words[0].split("/")[0] if words else ""


def _repaired(body: bytes) -> str:
    """The text of a robots.txt with the lines in the form that protego reads as Google does."""
    is_cut = len(body) > MAX_BYTES
    text = body[:MAX_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
    lines = _LINE_END.split(_OTHER_LINE_ENDS.sub(" ", text))
    if is_cut:
        lines.pop()  # half a path would forbid more than the site said
    return "\n".join(filter(None, map(_repaired_line, lines)))


def _repaired_line(line: str) -> str:
    found = _LINE.match(line.partition("#")[0])
    if found is None:
        return ""
    field, value = found.group(1).lower(), found.group(2).strip()
    if field.startswith("user"):
        return f"user-agent: {_whole(product_token(value))}"
    return f"{field}: {value}"


def _whole(name: str) -> str:
    """A name that protego, which looks for a part of the agent's name, finds only as a whole."""
    return name if name == "*" else f"|{name}|"
