"""Equal images: the SQL finds what a dictionary finds, in whatever order the rows come."""

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from webpairs_filters.duplicates.exact_images import repeated_images

SHA = st.sampled_from(["", *(letter * 64 for letter in "abc")])


def plain(samples: list[tuple[int, str]]) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    repeats = []
    for rank, sha256 in sorted(samples):
        kept = first.setdefault(sha256, rank) if sha256 else rank
        if kept != rank:
            repeats.append((rank, kept))
    return repeats


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, 30), SHA).flatmap(lambda d: st.permutations([*d.items()])))
def test_each_repeat_names_the_best_of_its_bytes(samples: list[tuple[int, str]]) -> None:
    ranks, hashes = [rank for rank, _ in samples], [sha256 for _, sha256 in samples]
    table = pa.table({"rank": pa.array(ranks, pa.int64()), "sha256": pa.array(hashes, pa.string())})
    with duckdb.connect() as db:
        assert repeated_images(db.from_arrow(table)).fetchall() == plain(samples)


def test_a_table_of_the_database_will_do() -> None:
    with duckdb.connect() as db:
        db.execute("CREATE TABLE samples (rank BIGINT, sha256 VARCHAR, url VARCHAR)")
        db.execute("INSERT INTO samples VALUES (2, 'a', ''), (0, 'b', ''), (1, 'a', '')")
        assert repeated_images(db.table("samples")).fetchall() == [(2, 1)]
