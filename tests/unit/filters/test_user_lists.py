import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pairs_fixture import batch_of, make_pair
from user_files import list_file
from webpairs_core.errors import ListError, WebpairsError
from webpairs_filters.base import PairFilter
from webpairs_filters.text.vocabulary import BlockedWords, CommonWords, RareWords, StopWords
from webpairs_filters.url.blocklist import UrlBlocklist
from webpairs_filters.user_lists import (
    check_lists,
    domain_list,
    frequent_words,
    hash_list,
    single_words,
    url_list,
    word_list,
)


def counts(path: str) -> frozenset[str]:
    return frequent_words(path, 1)


READERS = (word_list, single_words, counts, url_list, domain_list, hash_list)


@pytest.mark.parametrize("read", READERS)
def test_a_list_that_is_not_there_is_named(read: Callable[[str], Any], tmp_path: Path) -> None:
    path = str(tmp_path / "no.txt")
    for call in (lambda: read(path), lambda: check_lists([path])):
        with pytest.raises(ListError, match=rf"^there is no list {re.escape(path)}: correct"):
            call()
    with pytest.raises(ListError, match="cannot be read"):
        read(str(tmp_path))


@pytest.mark.parametrize("read", READERS)
def test_a_line_that_is_not_utf8_is_named(read: Callable[[str], Any]) -> None:
    path = list_file("# fine", b"caf\xe9")
    with pytest.raises(ListError, match=rf"{re.escape(path)}, line 2, is not UTF-8"):
        read(path)


@pytest.mark.parametrize("read", READERS)
def test_an_empty_list_is_a_list(read: Callable[[str], Any]) -> None:
    for lines in ((), ("", "  ", "# nothing"), (b"\xef\xbb\xbf# with a byte order mark",)):
        assert read(list_file(*lines)) in (frozenset(), {}, (frozenset(), {}))


@pytest.mark.parametrize(
    ("read", "line", "fault"),
    [
        (word_list, "***", "holds no word"),
        (single_words, "two words", "is not one word"),
        (single_words, "我们", "is not one word"),
        (counts, "word 7", "is not a word, a tab and a whole number"),
        (counts, "word\t7.5", "is not a word, a tab and a whole number"),
        (counts, "word\t-7", "is not a word, a tab and a whole number"),
        (url_list, "example.org/a.jpg", "is no http or https URL"),
        (url_list, "ftp://example.org/a.jpg", "is no http or https URL"),
        (url_list, "http://[", "is no http or https URL"),
        (domain_list, "https://example.org", "is no domain"),
        (domain_list, "example.org/a", "is no domain"),
        (domain_list, "*.", "is no domain"),
        (hash_list, "0123", "is no MD5, SHA-1 or SHA-256"),
        (hash_list, "g" * 32, "is no MD5, SHA-1 or SHA-256"),
    ],
)
def test_a_line_that_is_wrong_is_named(read: Callable[[str], Any], line: str, fault: str) -> None:
    path = list_file("", line)
    with pytest.raises(ListError, match=rf"{re.escape(path)}, line 2, {re.escape(fault)}"):
        read(path)


def test_what_a_list_holds() -> None:
    assert url_list(list_file("HTTP://Example.org:80/a b.jpg#x", "http://b.test")) == {
        "http://example.org/a%20b.jpg",
        "http://b.test/",
    }
    assert domain_list(list_file("Example.ORG", "*.b.test", ".c.test.", "bücher.de")) == {
        "example.org",
        "b.test",
        "c.test",
        "xn--bcher-kva.de",
    }
    assert hash_list(list_file("AB" * 16, "cd" * 32)) == {
        16: {b"\xab" * 16},
        32: {b"\xcd" * 32},
    }
    assert frequent_words(list_file("A\t3", "a\t2", "b\t4", "two words\t9"), 5) == {"a"}


def test_a_list_is_read_once() -> None:
    path = list_file("one", name="once.txt")
    first = word_list(path)
    Path(path).write_text("two\n", encoding="utf-8")
    assert word_list(path) is first


@pytest.mark.parametrize("kind", [StopWords, CommonWords, BlockedWords])
def test_a_filter_says_that_its_list_is_missing(kind: type[PairFilter], tmp_path: Path) -> None:
    each = kind(words=str(tmp_path / "no.txt"))
    assert each.files() == [str(tmp_path / "no.txt")]
    for call in (lambda: each.reject(make_pair()), lambda: each.reject_batch(batch_of([]))):
        with pytest.raises(WebpairsError, match="there is no list"):
            call()


def test_which_files_a_filter_reads() -> None:
    assert StopWords().files() == []
    assert RareWords(counts="c").files() == ["c"]
    assert UrlBlocklist(urls="u", hashes="h").files() == ["u", "h"]
