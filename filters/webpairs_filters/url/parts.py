"""What the address of an image may be made of: its scheme, the end of its name, its host."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from webpairs_core.records import Pair
from webpairs_filters.base import PairFilter
from webpairs_filters.patterns import Pattern, first_reason

if TYPE_CHECKING:
    import pyarrow as pa

# Of a canonical URL, which has no credentials and no line ends (WHATWG URL, section 4.5).
_NAME = r"[a-z]+://[^/?#]*/(?:[^?#]*/)?[^/?#]*"
_QUERY = r"(?:[?#][^\n]*)?"

Ending = Annotated[str, Meta(pattern="^([0-9a-z]{1,8})?$")]


class UrlParts(PairFilter, frozen=True, kw_only=True, tag="url_parts"):
    """Drop addresses by their parts.

    `url_scheme`: not one of `schemes`. `url_ending`: the name ends as one of `deny_endings`
    (LAION: svg, gif), or as none of `allow_endings` where there are some; "" is a name without an
    ending, and an ending has one to eight letters or digits. `url_long_host`: more than
    `max_host_chars` characters, the port not counted (LAION-5B: 60; RFC 1035 section 2.3.4 allows
    253).
    """

    reasons: ClassVar[tuple[str, ...]] = ("url_scheme", "url_ending", "url_long_host")
    schemes: tuple[Literal["http", "https"], ...] = ("http", "https")
    allow_endings: tuple[Ending, ...] = ()
    deny_endings: tuple[Ending, ...] = ()
    max_host_chars: Annotated[int, Meta(ge=1, le=253)] = 253

    def reject(self, pair: Pair) -> str | None:
        """See the class."""
        if not _scheme(self.schemes).matches(pair.url):
            return "url_scheme"
        if self.allow_endings and not _ends(self.allow_endings, pair.url):
            return "url_ending"
        if self.deny_endings and _ends(self.deny_endings, pair.url):
            return "url_ending"
        is_long = _long_host(self.max_host_chars).matches(pair.url)
        return "url_long_host" if is_long else None

    def reject_batch(self, batch: pa.RecordBatch) -> pa.Array:
        """See `PairFilter.reject_batch`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        urls = batch["url"]
        is_odd = pa.repeat(False, len(urls))
        if self.allow_endings:
            is_odd = pc.invert(_mask(self.allow_endings, urls))
        if self.deny_endings:
            is_odd = pc.or_(is_odd, _mask(self.deny_endings, urls))
        return first_reason(
            {
                "url_scheme": pc.invert(_scheme(self.schemes).mask(urls)),
                "url_ending": is_odd,
                "url_long_host": _long_host(self.max_host_chars).mask(urls),
            }
        )


def _ends(endings: tuple[str, ...], url: str) -> bool:
    """Whether the name of a URL has one of these endings."""
    if _ending(tuple(filter(None, endings))).matches(url):
        return True
    return "" in endings and not _ending(("[0-9a-z]{1,8}",)).matches(url)


def _mask(endings: tuple[str, ...], urls: pa.StringArray) -> pa.Array:
    """`_ends` of each URL."""
    import pyarrow.compute as pc

    mask = _ending(tuple(filter(None, endings))).mask(urls)
    if "" in endings:
        mask = pc.or_(mask, pc.invert(_ending(("[0-9a-z]{1,8}",)).mask(urls)))
    return mask


@cache
def _scheme(schemes: tuple[str, ...]) -> Pattern:
    return Pattern(rf"(?:{'|'.join(schemes)})://[^\n]*")


@cache
def _ending(endings: tuple[str, ...]) -> Pattern:
    # Without endings it matches nothing: no name ends in a dot and a slash.
    return Pattern(rf"{_NAME}\.(?:{'|'.join(endings) or '/'}){_QUERY}")


@cache
def _long_host(max_chars: int) -> Pattern:
    n = max_chars + 1
    return Pattern(
        rf"[a-z]+://(?:[^/?#:\[\n]{{{n},}}|\[[^\]\n]{{{max(n - 2, 0)},}}\])[^\n]*",
    )
