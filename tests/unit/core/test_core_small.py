"""Keys, text, funnel, schema, error tree."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpairs_core import errors, schema
from webpairs_core.errors import PartCorrupt, SchemaMismatch, WebpairsError
from webpairs_core.funnel import Funnel, merge, table
from webpairs_core.keys import digest, pair_key, shuffle_rank
from webpairs_core.records import Pair, TextSource
from webpairs_core.text import normalise_text


def a_pair(text: str = "a red circle") -> Pair:
    return Pair(
        key=pair_key("https://example.org/a.jpg", text),
        url="https://example.org/a.jpg",
        src_url="https://example.org/a.jpg",
        text=text,
        text_source=TextSource.ALT,
        page_url="https://example.org/",
        fetched_at=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        optout=("x-robots-tag:noindex@page",),
    )


def test_the_key_is_half_of_sha256_over_url_and_normal_text() -> None:
    # echo -ne 'https://example.org/a.jpg\na red circle' | sha256sum
    assert pair_key("https://example.org/a.jpg", "  a  red\ncircle ").hex() == (
        "76fec8ac0ec49daedc400a416edc8c1a"
    )


def test_keys_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from webpairs_core.keys import *;"
        "print(pair_key('https://a/', 'x').hex(), shuffle_rank(3, b'k').hex(), "
        "digest({'b': 1, 'a': [2]}))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "core"},
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[3],
        ).stdout
        for seed in ("1", "2")
    }
    expected = f"{pair_key('https://a/', 'x').hex()} {shuffle_rank(3, b'k').hex()} "
    assert runs == {f"{expected}{digest({'a': [2], 'b': 1})}\n".encode()}


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("  two\t words\r\n", "two words"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("right\u202eto left\u2066", "rightto left"),
        ("soft\u00adhyphen, zero\u200bwidth", "softhyphen, zerowidth"),
        ("bell\x07 null\x00", "bell null"),
        ("no\u00a0break", "no break"),
        ("family: \U0001f468\u200d\U0001f469", "family: \U0001f468\u200d\U0001f469"),
        ("half \ud83d surrogate", "half surrogate"),
    ],
)
def test_text_is_normalised(raw: str, normal: str) -> None:
    assert normalise_text(raw) == normal


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise_text(text)
    assert normalise_text(once) == once
    once.encode("utf-8")


def test_funnels_merge_and_print() -> None:
    parts = [
        Funnel("filter", "pairs", 10, 7, {"language": 2, "text_too_short": 1}),
        Funnel("filter", "pairs", 5, 5),
    ]
    whole = merge(parts)
    assert (whole.rows_in, whole.kept, whole.rejected) == (
        15,
        12,
        {"language": 2, "text_too_short": 1},
    )
    assert "language" in table(whole)
    with pytest.raises(WebpairsError, match="does not add up"):
        merge([Funnel("filter", "pairs", 10, 7)])


def test_a_pair_survives_parquet(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    assert schema.write_part(path, [schema.pairs_table([a_pair()])], schema.PAIRS) == 1
    [row] = schema.read_table(path, schema.PAIRS).to_pylist()
    assert row["fetched_at"] == a_pair().fetched_at
    assert Pair(**{**row, "optout": tuple(row["optout"])}) == a_pair()


def test_equal_rows_make_equal_bytes(tmp_path: Path) -> None:
    rows = schema.pairs_table([a_pair(str(i)) for i in range(50)])
    schema.write_part(tmp_path / "whole", [rows], schema.PAIRS)
    schema.write_part(tmp_path / "cut", [rows[:7], rows[7:8], rows[8:]], schema.PAIRS)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "cut").read_bytes()


def test_an_unknown_schema_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(pa.table({"a": [1]}, metadata={b"webpairs.schema": b"pairs/99"}), path)
    with pytest.raises(SchemaMismatch, match="'pairs/99' where this release reads 'pairs/2'"):
        schema.open_part(path, schema.PAIRS)


def test_a_cut_part_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    schema.write_part(path, [schema.pairs_table([a_pair()])], schema.PAIRS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PartCorrupt, match="cannot be read"):
        schema.read_table(path, schema.PAIRS)


def test_every_error_is_in_the_drawn_tree_with_its_exit_code() -> None:
    drawn = errors.__doc__ or ""
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, WebpairsError):
            [line] = [
                line for line in drawn.splitlines() if f" {name} " in f" {line.strip('│├└─ ')} "
            ]
            assert str(kind.exit_code) in line.split()
