"""What the answers of servers mean, for pages and images alike: Content-Type and Retry-After."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_HTML_TYPES = ("text/html", "application/xhtml+xml")


def is_html_type(content_type: str) -> bool:
    """Whether a Content-Type names HTML; an empty one does not."""
    return content_type.partition(";")[0].strip().lower() in _HTML_TYPES


def looks_like_html(body: bytes) -> bool:
    """Whether a body without a Content-Type begins like a page."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n\f").startswith(b"<")


def retry_after_s(header: str | None) -> float:
    """Seconds that a Retry-After header asks for (RFC 9110 §10.2.3: a number or a date); 0 when it
    is absent, past or makes no sense. May be infinite: the caller knows how long it waits."""
    value = (header or "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return 0.0
