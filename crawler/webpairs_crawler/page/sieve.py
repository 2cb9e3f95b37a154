"""A guard before the parser: no page, however hostile, may hold the crawl for seconds.

lexbor is fast and right, but quadratic in some things that a page can hold by the ten thousand:
open block elements (each new one looks up the stack for a <p>), formatting elements that are
reopened after each block, attributes of one tag. One megabyte can cost minutes. So a large page is
weighed first: a tokeniser in linear time follows its open elements and adds up the parser's steps.
Where it is in doubt it errs upwards. A page that weighs too much is sieved: rebuilt from the few
tags that extraction reads, flat. A page wrongly called heavy thus loses next to nothing.
"""

import re
from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

SMALL_BYTES = 131_072
SMALL_TAGS = 2_500
"""A page below both cannot cost the parser a second, whatever it holds; most pages are."""
BUDGET_NS = 700_000_000.0
MAX_TAGS = 200_000
"""More tags than any honest page has; a sieved page ends here."""

# Nanoseconds of lexbor per step, measured on one core of a 2-core machine.
_SCAN_NS = 2.5
_REOPEN_NS = 400.0
_ATTRIBUTE_NS = 2.0
_SEARCH_NS = 60.0  # our own: one step down the list of open elements
_MAX_DEPTH = 512  # browsers stop nesting here, too

# Possessive quantifiers: each byte is looked at once.
_ONE_ATTRIBUTE = (
    rb"(?:[\t\n\f\r /]*+[^\t\n\f\r />][^\t\n\f\r />=]*+(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+"
    rb"(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\t\n\f\r >\"'][^\t\n\f\r >]*+|(?=>)|\Z))?+)"
)
_COMMENT = rb"!--(?:-?>|.*?(?:--!?>|\Z))"
_TAG_END = rb"[\t\n\f\r /]*+(?:>|\Z)"
_TOKEN = re.compile(
    rb"<(?:"
    + _COMMENT
    + rb"|(/?)([a-zA-Z][^\t\n\f\r />]*+)("
    + _ONE_ATTRIBUTE
    + rb"*+)"
    + _TAG_END
    + rb"|(!\[CDATA\[)|[!?/][^>]*+(?:>|\Z))",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    rb"[^\t\n\f\r />][^\t\n\f\r />=]*+(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+"
    rb"(?:\"[^\"]*+\"?|'[^']*+'?|[^\t\n\f\r >\"'][^\t\n\f\r >]*+)?)?+"
)

_VOID = frozenset(b"area base br col embed hr img input link meta param source track wbr".split())
# Their end tags may be left out, so they do not nest by themselves.
_OPTIONAL = frozenset(
    b"body caption colgroup dd dt head html li optgroup option p rb rp rt rtc tbody td tfoot th "
    b"thead tr".split()
)
_FORMATTING = frozenset(b"b big code em font i nobr s small strike strong tt u".split())
_RAW_TEXT = frozenset(b"script style textarea title xmp iframe noembed noframes".split())
_RAW_ENDS = {
    name: re.compile(rb"</" + name + rb"(?=[\t\n\f\r />])", re.IGNORECASE) for name in _RAW_TEXT
}
_ESCAPED_SCRIPT = re.compile(rb"<!--(?:[^<-]++|-(?!->)|<(?!(?i:script)[\t\n\f\r />]))*+<")
# An end tag does not reach an element beyond one of these.
_BOUNDARY = frozenset(b"applet marquee object select table template button svg math".split())
_FOREIGN = frozenset(b"svg math".split())

_NAME_END = rb"(?=[\t\n\f\r />]|\Z)"
# The first letter once more by itself: most tags end there.
_FORMATTING_TAGS = re.compile(
    rb"<(?=[bcefinstuBCEFINSTU])(?i:[bisu]|big|code|em|font|nobr|small|strike|strong|tt)"
    + _NAME_END
)
_BEFORE_ATTRIBUTES = b"\t\n\f\r /\"'"
"""One of these stands before each attribute: it is white space, or closes the one before."""
_LONG_STRETCH = 1_000

# Each further one of these adds its attributes to the first: quadratic in all of them together.
_MERGED = frozenset([b"html", b"body"])
_MAX_MERGED = 4

_SIEVED = frozenset(
    b"html base meta link img amp-img source picture figure figcaption a area title "
    b"noscript".split()
)
_SIEVED_NESTING = frozenset(b"picture figure figcaption a noscript".split())
_LINKED_IMAGE = b"a link to an image"
_IMAGE_LINK = re.compile(rb"\.(?:jpe?g|png|webp|gif|avif|bmp)", re.IGNORECASE)
_SIEVED_ATTRIBUTES = 500


class Tag(msgspec.Struct, frozen=True):
    """One tag of a page."""

    name: bytes
    """Lower case."""
    is_end: bool
    start: int
    end: int
    """Bytes of the page: [start, end)."""
    attributes: tuple[int, int] = (0, 0)
    """Where they stand, as start and end."""
    is_trap: bool = False
    """Something that our tokeniser and the parser may read in different ways."""


def guarded(html: bytes) -> bytes:
    """The page as it is, or sieved when its parse could take long."""
    if len(html) <= SMALL_BYTES and _count(html, b"<") <= SMALL_TAGS:
        return html
    return sieve(html) if is_heavy(html) else html


def is_heavy(html: bytes) -> bool:
    """Whether the parser could need more than its budget for this page (an upper estimate)."""
    return not _is_plainly_light(html) and _weighs_too_much(html)


def _is_plainly_light(html: bytes) -> bool:
    """Whether the page is within the budget even if no element ever closed.

    Ten times quicker than weighing, and enough for nearly all honest pages.
    """
    n_tags = _count(html, b"<")
    # Wherever they stand, in comments and scripts too: an upper bound.
    worst_ns = _SCAN_NS * n_tags**2
    if n_tags > SMALL_TAGS:
        worst_ns += _REOPEN_NS * n_tags * len(_FORMATTING_TAGS.findall(html))
    if worst_ns > BUDGET_NS or n_tags > MAX_TAGS:
        return False
    return worst_ns + _worst_attributes(html) <= BUDGET_NS


def _worst_attributes(html: bytes) -> float:
    """What attributes cost at most, wherever we and the parser would see tags, comments, scripts.

    A tag lies between a `<` and the next `>` that no quoted value can hold. All tags of such a
    stretch together have no more attributes than fit into it.
    """
    page = np.frombuffer(html, np.uint8)
    starts = np.flatnonzero(page == ord("<"))
    if not len(starts):
        return 0.0
    ends = np.append(_sure_ends(page), len(page))
    end_of_start = np.searchsorted(ends, starts)
    is_first = np.diff(end_of_start, prepend=-1) > 0
    begin, end = starts[is_first], ends[end_of_start[is_first]]
    n_attributes = (end - begin) // 2
    for i in np.flatnonzero(end - begin > _LONG_STRETCH):
        piece = html[begin[i] : end[i]]
        n_attributes[i] = len(piece) - len(piece.translate(None, _BEFORE_ATTRIBUTES))
    # <html> and <body>, or what begins like them: the first one may get the attributes of all.
    second, third = (page.take(starts + i, mode="clip") | 0x20 for i in (1, 2))
    is_merged = ((second == ord("h")) & (third == ord("t"))) | (
        (second == ord("b")) & (third == ord("o"))
    )
    n_merged = n_attributes[np.cumsum(is_first)[is_merged] - 1].sum()
    return _ATTRIBUTE_NS * (float(n_attributes @ n_attributes) + float(n_merged) ** 2)


def _sure_ends(page: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Where a `>` stands that is in no quoted value, whatever else it may be in.

    Any quotation mark behind a `=` or white space counts as one that opens a value.
    """
    ends = np.flatnonzero(page == ord(">"))
    n_around = np.zeros(len(ends) + 1, np.int64)
    for mark in b"\"'":
        quotes = np.flatnonzero(page == mark)
        before = page[quotes - 1]
        opening = np.flatnonzero((before == ord("=")) | (before <= ord(" ")))
        closing = np.append(quotes, len(page))[opening + 1]
        first, behind = np.searchsorted(ends, quotes[opening]), np.searchsorted(ends, closing)
        holds = first < behind
        np.add.at(n_around, first[holds], 1)
        np.add.at(n_around, behind[holds], -1)
    sure: npt.NDArray[np.intp] = ends[np.cumsum(n_around)[:-1] == 0]
    return sure


def _count(html: bytes, mark: bytes) -> int:
    """As `html.count(mark)` for one byte, and several times as quick where there are many."""
    return int(np.count_nonzero(np.frombuffer(html, np.uint8) == ord(mark)))


def _weighs_too_much(html: bytes) -> bool:
    open_elements: list[bytes] = []
    formatting: Counter[bytes] = Counter()
    work_ns = 0.0
    n_merged = 0
    for n_tags, tag in enumerate(_tags(html)):
        if tag.is_end:
            work_ns += _SEARCH_NS * _close(open_elements, tag.name)
            if formatting[tag.name] > 0:
                formatting[tag.name] -= 1
        else:
            work_ns += _attribute_work(html, tag)
            formatting[tag.name] += tag.name in _FORMATTING
            n_merged += tag.name in _MERGED
            if tag.name not in _VOID and tag.name not in _OPTIONAL:
                open_elements.append(tag.name)
        work_ns += _SCAN_NS * len(open_elements) + _REOPEN_NS * formatting.total()
        if work_ns > BUDGET_NS or tag.is_trap or n_tags > MAX_TAGS:
            return True
        if len(open_elements) > _MAX_DEPTH or n_merged > _MAX_MERGED:
            return True
    return False


def sieve(html: bytes) -> bytes:
    """The tags that extraction reads, in order, without nesting; text only where it is read.

    What is lost with the nesting: captions by class name, labels by id (aria-labelledby).
    """
    pieces: list[bytes] = []
    is_open: dict[bytes, bool] = {}
    last_end = 0
    for n_tags, tag in enumerate(_tags(html)):
        if n_tags == MAX_TAGS:
            break
        text, last_end = html[last_end : tag.start], tag.end
        if is_open.get(b"script"):
            is_open[b"script"] = False
            pieces += [text, b"</script>"]
            continue
        if _keeps_text(tag, is_open):
            pieces.append(text.replace(b"<", b"&lt;"))
        if tag.name == b"script":
            is_open[b"script"] = not tag.is_end and b"ld+json" in html[tag.start : tag.end].lower()
            if is_open[b"script"]:
                pieces.append(b'<script type="application/ld+json">')
            continue
        if tag.name not in _SIEVED or _n_attributes(html, tag) > _SIEVED_ATTRIBUTES:
            continue
        if tag.name == b"html":
            if b"html" in is_open:
                continue
            is_open[b"html"] = True
        if tag.name in _SIEVED_NESTING:
            if not tag.is_end and is_open.get(tag.name):
                pieces.append(b"</" + tag.name + b">")
            is_open[tag.name] = not tag.is_end
            if tag.name == b"a":
                is_open[_LINKED_IMAGE] = not tag.is_end and bool(
                    _IMAGE_LINK.search(html, tag.start, tag.end)
                )
        pieces.append(html[tag.start : tag.end])
    return b"\n".join(pieces)


def _keeps_text(tag: Tag, is_open: dict[bytes, bool]) -> bool:
    """Whether the text before this tag is one that extraction reads."""
    if tag.is_end and tag.name == b"title":
        return True
    return is_open.get(b"figcaption", False) or is_open.get(_LINKED_IMAGE, False)


def _tags(html: bytes) -> Iterator[Tag]:
    """The tags of a page, left to right, in linear time; none from comments and raw text."""
    position, n_foreign = 0, 0
    while found := _TOKEN.search(html, position):
        position = found.end()
        if found.group(4):
            yield Tag(b"", False, found.start(), position, is_trap=True)
            continue
        if found.group(2) is None:
            continue
        name, is_end = found.group(2).lower(), bool(found.group(1))
        yield Tag(name, is_end, found.start(), position, found.span(3))
        if name in _FOREIGN:
            n_foreign = max(0, n_foreign + (-1 if is_end else 1))
        if is_end or n_foreign:
            continue
        if name == b"plaintext":
            return
        if name in _RAW_TEXT:
            raw_end = _raw_end(html, name, position)
            if name == b"script" and _is_escaped_script(html[position:raw_end]):
                yield Tag(b"", False, position, position, is_trap=True)
            position = raw_end


def _raw_end(html: bytes, name: bytes, position: int) -> int:
    """Where the raw text of an element ends."""
    end = _RAW_ENDS[name].search(html, position)
    return end.start() if end else len(html)


def _is_escaped_script(text: bytes) -> bool:
    # The "script data double escaped" state: such a script goes on after its first end tag.
    return _ESCAPED_SCRIPT.search(text) is not None


def _close(open_elements: list[bytes], name: bytes) -> int:
    """Close the nearest open element of this name, if an end tag reaches it; return the steps."""
    for steps, other in enumerate(reversed(open_elements), 1):
        if other == name:
            del open_elements[-steps:]
            return steps
        if other in _BOUNDARY:
            return steps
    return len(open_elements)


def _attribute_work(html: bytes, tag: Tag) -> float:
    # Fewer than 500 bytes hold too few attributes to matter.
    start, end = tag.attributes
    return _ATTRIBUTE_NS * _n_attributes(html, tag) ** 2 if end - start > 500 else 0.0


def _n_attributes(html: bytes, tag: Tag) -> int:
    start, end = tag.attributes
    return sum(1 for _ in _ATTRIBUTE.finditer(html, start, end))
