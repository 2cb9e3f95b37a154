"""The opt-out files that a site may keep beside robots.txt: tdmrep.json, trust.txt, ai.txt.

Each reader takes bytes and gives what they say; bytes that are not such a file say nothing. Many
servers answer a name they do not know with a page and status 200.
"""

from typing import Any

import msgspec

from webpairs_crawler.optout.patterns import Pattern
from webpairs_crawler.optout.robots import Rules

MAX_BYTES = 256 * 1024
"""Of one file; a longer one is not read at all: half of it could say the opposite."""
MAX_LOCATIONS = 10_000
PATHS = {
    "tdmrep": "/.well-known/tdmrep.json",
    "ai_txt": "/ai.txt",
    "trust_txt": "/trust.txt",
}
"""Where each is asked for, by its name in the recipe. RSL has no fixed place."""


class Reservation(msgspec.Struct, frozen=True):
    """What tdmrep.json says of one location."""

    is_reserved: bool
    policy: str = ""


def read_tdmrep(body: bytes) -> tuple[tuple[Pattern, Reservation], ...]:
    """The locations of a tdmrep.json (W3C TDMRep final report, "TDM File on the Origin Server")."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    entries = found if isinstance(found, list) else [found]
    rules = (_reservation(entry) for entry in entries[:MAX_LOCATIONS] if isinstance(entry, dict))
    return tuple(rule for rule in rules if rule)


def read_trust_txt(body: bytes) -> str:
    """The value of `datatrainingallowed` (trust.txt of JournalList.net): yes, no or empty.

    Of contradicting lines the prohibition counts.
    """
    values = set()
    for line in body.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition("#")[0].partition("=")
        if key.strip().lower() == "datatrainingallowed":
            values.add(value.strip().lower())
    return next((value for value in ("no", "yes") if value in values), "")


def read_ai_txt(body: bytes) -> Rules:
    """An ai.txt (Spawning): the syntax of robots.txt, its paths mostly file types (`*.jpg`)."""
    return Rules.from_response(200, body)


def _reservation(entry: dict[str, Any]) -> tuple[Pattern, Reservation] | None:
    location, reserved = entry.get("location"), entry.get("tdm-reservation")
    if not isinstance(location, str) or str(reserved) not in ("0", "1"):
        return None
    policy = entry.get("tdm-policy")
    says = Reservation(str(reserved) == "1", policy if isinstance(policy, str) else "")
    return Pattern.of(location), says
