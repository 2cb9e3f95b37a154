"""What the address of an image may be made of: its scheme, the end of its name, its host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.patterns import first_reason

if TYPE_CHECKING:
    import pyarrow as pa

# Of a canonical URL (WHATWG URL, section 4.5): lower case up to the path, no credentials.
_PARTS = (
    r"(?P<scheme>[a-z]+)://(?P<host>\[[^\]]*\]|[^/?#:]*)(?::[0-9]*)?"
    r"(?:/(?:[^?#]*/)?(?:[^?#/]*\.(?P<end>[0-9A-Za-z]{1,8})|[^?#/]*))?(?:[?#][\s\S]*)?"
)
_COMPILED = re.compile(_PARTS, re.ASCII)

Ending = Annotated[str, Meta(pattern="^([0-9a-z]{1,8})?$")]


class UrlParts(PairFilter, frozen=True, kw_only=True, tag="url_parts"):
    """Drop addresses by their parts.

    `url_scheme`: not one of `schemes`. `url_ending`: the name ends as one of `deny_endings`
    (LAION: svg, gif), or as none of `allow_endings` where there are some; "" is a name without an
    ending. `url_long_host`: more than `max_host_chars` characters, the port not counted (LAION-5B:
    60; RFC 1035 section 2.3.4 allows 253).
    """

    reasons: ClassVar[tuple[str, ...]] = ("url_scheme", "url_ending", "url_long_host")
    schemes: tuple[Literal["http", "https"], ...] = ("http", "https")
    allow_endings: tuple[Ending, ...] = ()
    deny_endings: tuple[Ending, ...] = ()
    max_host_chars: Annotated[int, Meta(ge=1)] = 253

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        found = _COMPILED.fullmatch(pair.url)
        if found is None or found["scheme"] not in self.schemes:
            return "url_scheme"
        ending = (found["end"] or "").lower()
        is_odd = bool(self.allow_endings) and ending not in self.allow_endings
        if is_odd or ending in self.deny_endings:
            return "url_ending"
        return "url_long_host" if len(found["host"]) > self.max_host_chars else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = pc.extract_regex(batch["url"], f"^(?:{_PARTS})$")
        is_url = pc.is_valid(parts)
        scheme, host, end = (parts.field(name) for name in ("scheme", "host", "end"))
        ending = pc.ascii_lower(end)
        is_odd = pc.is_in(ending, pa.array(self.deny_endings, pa.string()))
        if self.allow_endings:
            is_allowed = pc.is_in(ending, pa.array(self.allow_endings, pa.string()))
            is_odd = pc.or_(is_odd, pc.invert(is_allowed))
        is_known = pc.and_(is_url, pc.is_in(scheme, pa.array(self.schemes, pa.string())))
        return first_reason(
            {
                "url_scheme": pc.invert(is_known),
                "url_ending": is_odd,
                "url_long_host": pc.greater(pc.utf8_length(host), self.max_host_chars),
            }
        )
