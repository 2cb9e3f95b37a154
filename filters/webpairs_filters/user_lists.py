"""Lists that the user brings: one entry a line, UTF-8, read once in each process.

Blank lines and lines that begin with # say nothing. What is wrong with a list is a ListError in
one sentence that names the file, and the line where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from webpairs_core.errors import ListError
from webpairs_filters.text.words import words_of

_NAMED_HASH = re.compile("(?:([a-z0-9]+):)?([0-9a-f]+)")
_HASH = re.compile("[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}")
_HOST = re.compile(r"[^\s/:?#@\[\]]+|\[[0-9a-f:.]+\]")


class Phrases(NamedTuple):
    """Words and phrases to look for in the words of a text (`words.words_of`)."""

    singles: frozenset[str]
    """Entries of one word."""
    longer: dict[str, list[tuple[str, ...]]]
    """Entries of more words, by their first one."""

    def n_covered(self, words: list[str]) -> int:
        """How many of the words are an entry or stand in one; none is counted twice."""
        n_covered = end = 0
        for i, word in enumerate(words):
            ends = [i + 1] if word in self.singles else []
            ends += [
                i + len(phrase)
                for phrase in self.longer.get(word, ())
                if tuple(words[i : i + len(phrase)]) == phrase
            ]
            reach = max(ends, default=end)
            n_covered += max(0, reach - max(end, i))
            end = max(end, reach)
        return n_covered


def check_lists(paths: list[str]) -> None:
    """Raise ListError for the first of these files that is not there: before any work, in no
    time."""
    for path in paths:
        if not Path(path).is_file():
            raise ListError(_missing(path))


@cache
def word_list(path: str) -> Phrases:
    """A file of words and phrases. Raises ListError."""
    singles: set[str] = set()
    longer: dict[str, list[tuple[str, ...]]] = {}
    for number, line in lines_of(path):
        words = words_of(line)
        if not words:
            raise wrong_line(path, number, "holds no word: give one word or phrase a line")
        if len(words) == 1:
            singles.add(words[0])
        else:
            longer.setdefault(words[0], []).append(tuple(words))
    return Phrases(frozenset(singles), longer)


@cache
def single_words(path: str) -> frozenset[str]:
    """A file of words, no phrases: in Chinese, one character a line. Raises ListError."""
    found: set[str] = set()
    for number, line in lines_of(path):
        words = words_of(line)
        if len(words) != 1:
            raise wrong_line(path, number, "is not one word: give one word a line")
        found.add(words[0])
    return frozenset(found)


@cache
def frequent_words(path: str, min_count: int) -> frozenset[str]:
    """The words that a table of WORD, tab, COUNT counts `min_count` times or more.

    A word that is several of ours ("don't panic") counts for none of them; counts of one word in
    several spellings add up. Raises ListError.
    """
    counts: dict[str, int] = {}
    for number, line in lines_of(path):
        entry, tab, times = line.partition("\t")
        if not tab or not re.fullmatch("[0-9]{1,18}", times.strip()):
            raise wrong_line(path, number, "is not a word, a tab and a whole number")
        words = words_of(entry)
        if len(words) == 1:
            counts[words[0]] = counts.get(words[0], 0) + int(times)
    return frozenset(word for word, times in counts.items() if times >= min_count)


@cache
def url_list(path: str) -> frozenset[str]:
    """A file of absolute http(s) URLs, in the canonical form of the pairs' own (WHATWG), without
    fragments. Raises ListError."""
    import ada_url

    found: set[str] = set()
    for number, line in lines_of(path):
        try:
            href = ada_url.normalize_url(line)
        except (ValueError, UnicodeError):
            href = ""
        if not href.startswith(("http://", "https://")):
            raise wrong_line(path, number, "is no http or https URL: give one whole URL a line")
        found.add(href.partition("#")[0])
    return frozenset(found)


@cache
def domain_list(path: str) -> frozenset[str]:
    """A file of domains, e.g. example.org; a leading dot or *. is the same. Raises ListError."""
    import ada_url

    found: set[str] = set()
    for number, line in lines_of(path):
        name = line.lower().removeprefix("*").removeprefix(".").removesuffix(".")
        try:
            host = ada_url.URL(f"http://{name}/").hostname if _HOST.fullmatch(name) else ""
        except (ValueError, UnicodeError):
            host = ""
        if not host:
            raise wrong_line(path, number, "is no domain: give one a line, without scheme or path")
        found.add(host)
    return frozenset(found)


@cache
def hash_list(path: str) -> dict[int, set[bytes]]:
    """A file of hex digests, told by their length: MD5 32, SHA-1 40, SHA-256 64 digits.

    The digests by their size in bytes; about 100 bytes of memory each. Raises ListError.
    """
    found: dict[int, set[bytes]] = {}
    for number, line in lines_of(path):
        digits = line.lower()
        if not _HASH.fullmatch(digits):
            raise wrong_line(
                path, number, "is no MD5, SHA-1 or SHA-256: give 32, 40 or 64 hex digits a line"
            )
        found.setdefault(len(digits) // 2, set()).add(bytes.fromhex(digits))
    return found


@cache
def hex_list(path: str, name: str, n_digits: int) -> frozenset[str]:
    """A file of hex numbers of one length, in lower case, each with `name` and a colon before it or
    without. Raises ListError."""
    found: set[str] = set()
    for number, line in lines_of(path):
        match = _NAMED_HASH.fullmatch(line.lower())
        if not match or match[1] not in (None, name) or len(match[2]) != n_digits:
            raise wrong_line(path, number, f"is no {name}: give {n_digits} hex digits a line")
        found.add(match[2])
    return frozenset(found)


def lines_of(path: str) -> Iterator[tuple[int, str]]:
    """The entries of a list with their line numbers. Raises ListError."""
    try:
        with Path(path).open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError:
                    raise wrong_line(path, number, "is not UTF-8: save the file as UTF-8") from None
                if line and not line.startswith("#"):
                    yield number, line
    except FileNotFoundError:
        raise ListError(_missing(path)) from None
    except OSError as error:
        raise ListError(f"the list {path} cannot be read: {error.strerror}") from None


def _missing(path: str) -> str:
    return f"there is no list {path}: correct its name"


def wrong_line(path: str, number: int, fault: str) -> ListError:
    """The error of an entry; `fault` goes on "the list PATH, line N, …"."""
    return ListError(f"the list {path}, line {number}, {fault}")
