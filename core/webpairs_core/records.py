"""The records that cross rooms. Frozen: a stage makes a new record, it never changes one."""

from datetime import datetime
from enum import StrEnum

import msgspec


class TextSource(StrEnum):
    """Where on the page the text of a pair stood."""

    ALT = "alt"
    FIGCAPTION = "figcaption"
    TITLE = "title"
    ARIA = "aria"
    JSON_LD = "json_ld"
    OG = "og"
    """What og:image:alt or twitter:image:alt says of the image."""
    OG_TITLE = "og_title"
    """The title of the page beside its og:image: a weak text, never mixed with the others."""
    ANCHOR = "anchor"
    DATA_ATTR = "data_attr"
    CAPTION_CLASS = "caption_class"
    TABLE = "table"
    """A list made elsewhere: nobody saw the page."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says: this text belongs to the image at this URL (not yet downloaded)."""

    key: bytes
    """16 bytes, see `webpairs_core.keys.pair_key`."""
    url: str
    """The largest candidate, absolute, http(s), without fragment."""
    src_url: str
    """What a browser loads by default."""
    text: str
    text_source: TextSource
    page_url: str
    position: int = 0
    """Ordinal of the pair on its page: makes the order of all pairs total."""
    page_lang: str = ""
    """The page's own claim (html lang), lower case; empty when it makes none."""
    declared_width: int = 0
    """CSS pixels from the width attribute; 0 when absent."""
    declared_height: int = 0
    found_in: str = "live"
    """`live`, or WARC file and offset."""
    fetched_at: datetime
    """UTC. Never reaches a shard."""
    optout: tuple[str, ...] = ()
    """Signals seen on the page, each `signal:value@where`."""
    license_url: str = ""
    context: str = ""
    """The page's title, at most 200 characters."""
    extra: str = ""
    """Columns carried from a table made elsewhere: one JSON object; empty when there are none."""


class Outcome(StrEnum):
    """What became of one candidate in the fetch stage, or of one row of what `webpairs pack` is
    given; a closed list, low cardinality."""

    OK = "ok"
    BAD_URL = "bad_url"
    HOST_DOWN = "host_down"
    """Not asked: its host had failed too often in a row. A later run may ask (`fetch --retry`)."""
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    SLOW = "slow"
    PROTOCOL = "protocol"
    """The peer broke HTTP: cut body, bad chunk, header flood."""
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    REFUSED_PRIVATE = "refused_private"
    ROBOTS = "robots"
    OPTED_OUT = "opted_out"
    TOO_LARGE = "too_large"
    NOT_IMAGE = "not_image"
    TOO_MANY_PIXELS = "too_many_pixels"
    CORRUPT = "corrupt"
    DECODER_CRASHED = "decoder_crashed"
    """The decoding process died or outlived its time on this image."""
    BLOCKED = "blocked"
    """A list of the user's names it (`blocklist.files`); nothing else of it is kept."""
    SIDE_TOO_SHORT = "side_too_short"
    ASPECT_TOO_LONG = "aspect_too_long"
    NO_CAPTION = "no_caption"
    MISSING_FILE = "missing_file"
    """No regular file that can be read is where the image should be."""
    OUTSIDE_SOURCE = "outside_source"
    """Its path leads out of what was given: `../`, a link, a tar member that climbs."""
    BAD_ROW = "bad_row"
    """What describes it cannot be read: a broken line, JSON or text."""
