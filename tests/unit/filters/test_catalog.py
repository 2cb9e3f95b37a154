import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from pairs_fixture import batch_of, make_pair
from user_files import list_file
from webpairs_filters.base import PairFilter, SampleFilter
from webpairs_filters.catalog import Filter, OfPairs, OfSamples

README = Path(__file__).parents[3] / "filters" / "README.md"
LISTS = {
    "words": list_file("dog"),
    "counts": list_file("dog\t9"),
    "urls": list_file("http://b.test/"),
    "domains": list_file("b.test"),
    "hashes": list_file("0" * 32),
}
KINDS: tuple[type[PairFilter | SampleFilter], ...] = get_args(Filter)


def test_every_filter_is_in_the_catalog() -> None:
    assert set(PairFilter.__subclasses__()) == set(get_args(OfPairs))
    assert set(SampleFilter.__subclasses__()) == set(get_args(OfSamples))


def test_reasons_are_snake_case_and_nobody_shares_one() -> None:
    reasons = [reason for kind in KINDS for reason in kind.reasons]
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", reason) for reason in reasons)


def test_the_readme_lists_each_filter_with_its_fields_and_reasons() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|", README.read_text("utf-8"), re.M)
    written = {
        name: (re.findall(r"`(\w+)`", fields), re.findall(r"`(\w+)`", reasons))
        for name, fields, reasons in rows
    }
    assert written == {
        str(kind.__struct_config__.tag): (list(kind.__struct_fields__), list(kind.reasons))
        for kind in KINDS
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_can_name_each_filter(kind: type[PairFilter | SampleFilter]) -> None:
    lists = dict.fromkeys(getattr(kind, "file_fields", ()), "list.txt")
    raw = {"use": kind.__struct_config__.tag, **lists}
    [made] = msgspec.convert([raw], tuple[Filter, ...])
    assert made == kind(**lists)
    if isinstance(made, PairFilter):
        assert made.files() == list(lists.values())


@pytest.mark.parametrize("kind", get_args(OfPairs))
def test_each_filter_judges_no_rows_and_texts_and_urls_of_a_megabyte(
    kind: type[PairFilter],
) -> None:
    each = kind(**{name: LISTS[name] for name in kind.file_fields})
    assert each.reject_batch(each.annotate(batch_of([]))).to_pylist() == []
    pairs = [
        make_pair("", url=""),
        make_pair("the dog 图 " * 120_000, url="http://a.test/" + "a.b/" * 250_000),
    ]
    plain = [each.reject(pair) for pair in pairs]
    assert each.reject_batch(each.annotate(batch_of(pairs))).to_pylist() == plain
