"""Path patterns with * and $, as robots.txt, tdmrep.json and RSL write them (RFC 9309 §2.2.2-3).

Matched by searching each piece between two stars from where the last one ended: linear in the path,
whatever the pattern. A regular expression made of a stranger's pattern could take for ever.
"""

import re
from collections.abc import Iterable
from typing import Self, TypeVar
from urllib.parse import quote_from_bytes

import msgspec

_ASCII = bytes(range(128))
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile("%(?:2D|2E|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])")
"""Encoded letters, digits and -._~ (RFC 3986 §2.3); 4F, 6F are letters, 5B-5F and 7B-7F are not."""
T = TypeVar("T")


class UrlPath(msgspec.Struct, frozen=True):
    """The path and query of a URL in the two forms that patterns are compared with."""

    written: str
    """As it stands, only the case of percent-encoding made one."""
    normal: str
    """Non-ASCII encoded, unreserved characters decoded (RFC 9309 §2.2.2)."""

    @classmethod
    def of(cls, url: str) -> Self:
        """The path of an absolute URL; `/` when it has none."""
        rest = url.partition("://")[2].partition("#")[0]
        start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        path = rest[start:] if rest[start : start + 1] == "/" else "/" + rest[start:]
        # A star or dollar in a URL is a letter; in a pattern it is written encoded (§2.2.3).
        path = path.replace("*", "%2A").replace("$", "%24")
        written = _ENCODED.sub(_upper, path) if "%" in path else path
        return cls(written, _plain(_escaped(written)))


class Pattern(msgspec.Struct, frozen=True):
    """A compiled path pattern."""

    length: int
    """Octets as encoded: the pattern with the most is the most specific one that matches."""
    pieces: tuple[str, ...]
    """What stands between the stars; the first one is where the path begins."""
    is_whole: bool
    """The pattern ended with $: the path must too."""

    @classmethod
    def of(cls, text: str, *, is_wide: bool = True) -> Self:
        """Compile a pattern. A wide one is compared in the normal form, others as written."""
        encoded = _escaped(text)
        length = len(encoded)
        is_whole = encoded.endswith("$")
        body = encoded.removesuffix("$").replace("$", "%24")
        first, *others = (_plain(body) if is_wide else body).split("*")
        if others:
            *middle, last = others
            others = [piece for piece in middle if piece] + [last]
        return cls(length, (first, *others), is_whole)

    @property
    def n_bytes(self) -> int:
        """About what this object holds in memory."""
        return 300 + self.length + 60 * len(self.pieces)

    def matches(self, path: str) -> bool:
        """Whether this path (a form of `UrlPath`) begins with what the pattern describes."""
        pieces = self.pieces
        if not path.startswith(pieces[0]):
            return False
        at = len(pieces[0])
        if len(pieces) == 1:
            return not self.is_whole or at == len(path)
        for piece in pieces[1:-1]:
            at = path.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        if self.is_whole:
            return len(path) - len(pieces[-1]) >= at and path.endswith(pieces[-1])
        return path.find(pieces[-1], at) >= 0


def most_specific(rules: Iterable[tuple[Pattern, T]], path: UrlPath) -> list[T]:
    """What the longest of the matching patterns say: several when they are of equal length."""
    found: list[T] = []
    longest = -1
    for pattern, value in rules:
        if pattern.length >= longest and pattern.matches(path.normal):
            if pattern.length > longest:
                found = []
            longest = pattern.length
            found.append(value)
    return found


def _escaped(text: str) -> str:
    """Octets outside ASCII percent-encoded, percent-encodings in upper case."""
    if not text.isascii():
        text = quote_from_bytes(text.encode("utf-8", "surrogateescape"), _ASCII)
    return _ENCODED.sub(_upper, text) if "%" in text else text


def _plain(text: str) -> str:
    """An escaped text with its unreserved characters decoded."""
    if "%" not in text:
        return text
    return _UNRESERVED.sub(lambda found: chr(int(found.group()[1:], 16)), text)


def _upper(found: re.Match[str]) -> str:
    return found.group().upper()
