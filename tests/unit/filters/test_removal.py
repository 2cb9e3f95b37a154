"""Which samples lists remove."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from msgspec import convert
from msgspec.structs import replace

from user_files import list_file
from webpairs_core.errors import ListError
from webpairs_core.schema import SHARD
from webpairs_filters.removal import RULES, Removal, check_removal, named

PHASH = 0x00FF_1234_5678_9ABC


def rows(*changes: Mapping[str, object]) -> pa.Table:
    blank: dict[str, object] = {
        field.name: "" if pa.types.is_string(field.type) else 0 for field in SHARD
    }
    blank |= {"url": "http://a.example/", "page_url": "", "phash": "f" * 16}
    return pa.Table.from_pylist([{**blank, **change} for change in changes], schema=SHARD)


def of(rule: str, *paths: str) -> Removal:
    """One kind of list."""
    return convert({rule: paths}, Removal)


def removed(rule: str, lines: list[str], table: pa.Table, distance: int = 4) -> list[int]:
    removal = replace(of(rule, list_file(*lines)), phash_distance=distance)
    check_removal(removal)
    masks = named(table, removal)
    assert list(masks) == [rule]
    return np.flatnonzero(masks[rule]).tolist()


@pytest.mark.parametrize(
    ("line", "hits"),
    [
        ("http://a.example/x.jpg", [0]),
        ("HTTP://A.example:80/x.jpg#top", [0]),
        ("http://a.example/X.jpg", []),
        ("https://a.example/x.jpg", []),
        ("http://a.example/x.jpg?w=1", [1]),
        ("http://a.example/", []),
    ],
)
@pytest.mark.parametrize(("rule", "column"), [("url", "url"), ("page", "page_url")])
def test_addresses_are_compared_whole(rule: str, column: str, line: str, hits: list[int]) -> None:
    table = rows(
        {column: "http://a.example/x.jpg"},
        {column: "http://a.example/x.jpg?w=1"},
        {"url": "http://other.example/", "page_url": "http://other.example/"},
    )
    assert removed(rule, [line], table) == hits


@pytest.mark.parametrize(
    ("line", "hits"),
    [
        ("a.example", [0, 1, 2]),
        ("*.A.Example.", [0, 1, 2]),
        ("www.a.example", [1]),
        ("example", [0, 1, 2, 3]),
        ("127.0.0.1", [4]),
    ],
)
@pytest.mark.parametrize(
    ("rule", "column", "other"),
    [("domain", "url", "page_url"), ("page_domain", "page_url", "url")],
)
def test_a_domain_is_all_that_lies_under_it(
    rule: str, column: str, other: str, line: str, hits: list[int]
) -> None:
    hosts = ("a.example", "www.a.example", "a.example:8080", "ba.example", "127.0.0.1")
    elsewhere = {other: "http://b.test/"}
    table = rows(*({column: f"http://{host}/a.example"} | elsewhere for host in hosts))
    assert removed(rule, [line], table) == hits


@pytest.mark.parametrize(("rule", "n_digits"), [("key", 32), ("sha256", 64)])
def test_digests_in_either_case_and_with_their_name(rule: str, n_digits: int) -> None:
    table = rows({rule: "a" * n_digits}, {rule: "b" * n_digits}, {rule: "c" * n_digits})
    assert removed(rule, ["A" * n_digits, "", "# x", f"{rule}:{'c' * n_digits}"], table) == [0, 2]


@pytest.mark.parametrize("distance", [0, 1, 4, 8, 16])
def test_pictures_up_to_a_distance(distance: int) -> None:
    """Against the plain count of bits, around the bound and far from it."""
    draw = np.random.default_rng(distance)
    listed = [int(x) for x in draw.integers(0, 2**63, 40)] + [PHASH]
    hashes = []
    for near in range(33):
        bits = draw.choice(64, near, replace=False)
        hashes.append(listed[near % 41] ^ sum(1 << int(bit) for bit in bits))
    table = rows(*({"phash": f"{value:016x}"} for value in hashes))
    wanted = [
        i
        for i, value in enumerate(hashes)
        if min((value ^ other).bit_count() for other in listed) <= distance
    ]
    assert wanted == list(range(distance + 1))
    assert removed("phash", [f"{value:016x}" for value in listed], table, distance) == wanted


def test_a_long_list_of_pictures_agrees_with_comparing_all() -> None:
    draw = np.random.default_rng(1)
    listed = draw.integers(0, 2**64, 3_000, np.uint64)
    hashes = np.concatenate([draw.integers(0, 2**64, 2_000, np.uint64), listed[:50] ^ np.uint64(5)])
    apart = np.bitwise_count(hashes[:, None] ^ listed[None, :]).min(axis=1)
    table = rows(*({"phash": f"{int(value):016x}"} for value in hashes))
    found = removed("phash", [f"{int(value):016x}" for value in listed], table)
    assert found == np.flatnonzero(apart <= 4).tolist()
    assert len(found) >= 50


def test_several_lists_of_one_kind_and_of_several() -> None:
    table = rows(
        {"url": "http://a.example/1"}, {"url": "http://a.example/2"}, {"url": "http://b.example/"}
    )
    removal = Removal(
        url=(list_file("http://a.example/1"), list_file("http://b.example/")),
        domain=(list_file("b.example"),),
    )
    masks = named(table, removal)
    assert {rule: mask.tolist() for rule, mask in masks.items()} == {
        "url": [True, False, True],
        "domain": [False, False, True],
    }


@pytest.mark.parametrize("rule", RULES)
def test_no_row_is_no_hit(rule: str) -> None:
    line = {"url": "http://a.example/", "page": "http://a.example/", "key": "0" * 32}
    line |= {"domain": "a.example", "page_domain": "a.example"}
    line |= {"sha256": "0" * 64, "phash": "0" * 16}
    assert removed(rule, [line[rule]], rows()) == []


@pytest.mark.parametrize(
    ("rule", "line", "fault"),
    [
        ("url", "a.example/1.jpg", "is no http or https URL"),
        ("page", "ftp://a.example/", "is no http or https URL"),
        ("domain", "http://a.example/", "is no domain"),
        ("page_domain", "a b", "is no domain"),
        ("key", "0" * 31, "is no key: give 32 hex digits a line"),
        ("key", "g" * 32, "is no key"),
        ("sha256", "md5:" + "0" * 64, "is no sha256: give 64 hex digits a line"),
        ("sha256", "0" * 40, "is no sha256"),
        ("phash", "sha256:" + "0" * 16, "is no phash: give 16 hex digits a line"),
        ("phash", "0" * 16 + ",", "is no phash"),
    ],
)
def test_a_line_that_is_none_is_named(rule: str, line: str, fault: str) -> None:
    path = list_file("# fine", line)
    with pytest.raises(ListError, match=f"line 2, {fault}"):
        check_removal(of(rule, path))


@pytest.mark.parametrize("rule", RULES)
def test_an_empty_list_removes_nothing_and_says_so(rule: str) -> None:
    with pytest.raises(ListError, match="holds no entry: nothing would be removed"):
        check_removal(of(rule, list_file("# later")))
