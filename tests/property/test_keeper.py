"""The keeper of near duplicates: SQL and plain form agree, and the order of rows plays no part."""

from collections.abc import Sequence
from random import Random

import duckdb
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_filters.duplicates.keeper import BEST_FIRST, best_first, n_words
from webpairs_filters.duplicates.near import near_duplicates

Row = tuple[tuple[int, int], str, bytes]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.lists(
    st.sampled_from(["red", "Red", "panda", "赤い", "红", "12", "'s", "é", "。", "\x00", "\n"])
).map(" ".join)
ROWS = st.lists(
    st.tuples(
        st.tuples(st.integers(1, 3), st.integers(1, 3)) | st.just((2**31 - 1, 2**31 - 1)),
        TEXTS,
        st.binary(min_size=16, max_size=16),
    ),
    max_size=20,
    unique_by=lambda row: row[2],
)


def by_duckdb(rows: Sequence[Row]) -> list[bytes]:
    with duckdb.connect() as db:
        db.execute(
            "CREATE TABLE samples (original_width INT, original_height INT, text VARCHAR, key BLOB)"
        )
        for (width, height), text, key in rows:
            db.execute("INSERT INTO samples VALUES (?, ?, ?, ?)", [width, height, text, key])
        return [
            key for (key,) in db.sql(f"SELECT key FROM samples ORDER BY {BEST_FIRST}").fetchall()
        ]


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_sql_sorts_as_the_plain_form(rows: list[Row]) -> None:
    assert by_duckdb(rows) == [key for *_, key in sorted(rows, key=lambda row: best_first(*row))]


def test_words() -> None:
    assert n_words("A red panda, a RED panda! 42") == 3
    assert n_words("赤いパンダ。") == 5
    assert n_words("Très beau — naïve") == 3
    assert n_words("DSC_0042 --") == 1
    assert n_words("") == 0


def test_larger_then_more_words_then_longer_then_smaller_key() -> None:
    order: list[Row] = [
        ((30, 40), "x", b"9"),
        ((20, 40), "a red panda", b"8"),
        ((40, 20), "big panda panda panda", b"7"),
        ((40, 20), "big pandas", b"6"),
        ((40, 20), "big panda", b"4"),
        ((40, 20), "big panda", b"5"),
    ]
    assert sorted(order[2:] + order[:2], key=lambda row: best_first(*row)) == order


@given(ROWS, st.integers(0, 8), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_what_stays_does_not_depend_on_the_order_of_rows(
    rows: list[Row], distance: int, random: Random
) -> None:
    # Few bits of the key make the hash, so that most rows have neighbours.
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert kept(rows, distance) == kept(shuffled, distance)


def kept(rows: Sequence[Row], distance: int) -> dict[bytes, bytes | None]:
    """For each key the key of its keeper, None for one that stays."""
    order = sorted(range(len(rows)), key=lambda place: best_first(*rows[place]))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows))
    phashes = np.array([int.from_bytes(key[:2]) for *_, key in rows], np.uint64)
    found = near_duplicates(phashes, rank, distance).tolist()
    return {
        key: rows[place][2] if place >= 0 else None
        for (*_, key), place in zip(rows, found, strict=True)
    }
