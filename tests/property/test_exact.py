"""Exact duplicates and corpus counts: the SQL says what a walk over the rows in memory says."""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairs_fixture import FETCHED, batch_of, make_pair
from webpairs_core.records import Pair, TextSource
from webpairs_core.schema import CANDIDATES, REJECTS, write_part
from webpairs_filters.duplicates.database import Room
from webpairs_filters.duplicates.exact import decide, kept, open_pairs, rejects
from webpairs_filters.options import DedupSection

Row = dict[str, Any]
PLACE = ("page_url", "position", "text_source", "src_url")
REST = [name for name in CANDIDATES.names if name not in (*PLACE, "fetched_at")]

PAIRS = st.lists(
    st.builds(
        lambda text, n, page, source, license_url, second: make_pair(
            text,
            url=f"http://pictures.test/{n}.jpg",
            page_url=f"http://pages.test/{page}",
            text_source=source,
            license_url=license_url,
            fetched_at=FETCHED + timedelta(seconds=second),
        ),
        st.sampled_from(["a kíte over the harbour", "東京の夜", "🪁 kite"]),
        st.integers(0, 2),
        st.sampled_from(["1", "é"]),
        st.sampled_from([TextSource.ALT, TextSource.TITLE]),
        st.sampled_from(["", "http://license.test/"]),
        st.integers(0, 1),
    ),
    max_size=60,
)
RULES = st.builds(
    lambda by, images, texts: DedupSection(
        by=by, max_images_per_text=images, max_texts_per_image=texts
    ),
    st.sampled_from(["url_text", "url", "none"]),
    st.integers(0, 3),
    st.integers(0, 3),
)


class Result(NamedTuple):
    """What stays, and what goes."""

    kept: list[Row]
    rejects: list[Row]
    reasons: dict[str, int]


def place(row: Row) -> tuple[Any, ...]:
    """The total order: where it was found, then the rest, the time last."""
    return tuple(row[name] for name in (*PLACE, *REST, "fetched_at"))


def fetch_order(item: tuple[bytes, list[Row]]) -> tuple[int, bytes]:
    """Within a host: URLs by a hash (DuckDB's md5_number_lower), then keys."""
    key, group = item
    digest = hashlib.md5(group[0]["url"].encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little"), key


def own_key(key: bytes, ordinal: int) -> bytes:
    if not ordinal:
        return key
    return hashlib.sha256(key + ordinal.to_bytes(8, "big")).digest()[:16]


def groups(rows: list[Row], column: str) -> dict[Any, list[Row]]:
    found = defaultdict(list)
    for row in sorted(rows, key=place):
        found[row[column]].append(row)
    return found


def plain(pairs: Sequence[Pair], rules: DedupSection) -> Result:
    """The same by dictionaries; kept rows of this one host lie in fetch order."""
    rows: list[Row] = batch_of(pairs).to_pylist()
    gone: list[Row] = []

    def drop(row: Row, reason: str, first: bytes | None) -> None:
        gone.append({"key": row["key"], "stage": "dedup", "reason": reason, "dup_of": first})

    by_key = groups(rows, "key")
    firsts = [group[0] for group in by_key.values()]
    if rules.by != "none":
        for key, group in by_key.items():
            for row in group[1:]:
                drop(row, "duplicate_pair", key)
        by_key = {key: group[:1] for key, group in by_key.items()}
    n_images = Counter(row["text"] for row in firsts)
    n_texts = Counter(row["url"] for row in firsts)
    for reason, column, counts, limit in (
        ("text_shared", "text", n_images, rules.max_images_per_text),
        ("image_shared", "url", n_texts, rules.max_texts_per_image),
    ):
        for key, group in list(by_key.items()):
            if limit and counts[group[0][column]] > limit:
                for row in by_key.pop(key):
                    drop(row, reason, None)
    if rules.by == "url":
        for group in groups([group[0] for group in by_key.values()], "url").values():
            for row in group[1:]:
                drop(row, "duplicate_url", group[0]["key"])
                del by_key[row["key"]]
    left = [
        row | {"key": own_key(key, i)}
        for key, group in sorted(by_key.items(), key=fetch_order)
        for i, row in enumerate(group)
    ]
    gone.sort(key=lambda row: (row["key"], row["reason"], row["dup_of"] or b""))
    return Result(left, gone, dict(sorted(Counter(row["reason"] for row in gone).items())))


def decided(parts: Sequence[Sequence[Pair]], rules: DedupSection, threads: int) -> Result:
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = [folder / str(i) for i in range(len(parts))]
        for path, pairs in zip(paths, parts, strict=True):
            write_part(path, [batch_of(pairs)], CANDIDATES)
        with open_pairs(paths, Room(folder / "spill", threads)) as db:
            reasons = decide(db, rules)
            gone = [row for batch in rejects(db) for row in batch.to_pylist()]
            left = [row for batch in kept(db, rules) for row in batch.to_pylist()]
        return Result(left, gone, reasons)


def in_parts(pairs: Sequence[Pair], rng: random.Random) -> list[list[Pair]]:
    mixed = rng.sample(pairs, len(pairs))
    cuts = sorted(rng.randrange(len(pairs) + 1) for _ in range(rng.randrange(4)))
    return [mixed[a:b] for a, b in pairwise([0, *cuts, len(pairs)])]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PAIRS, RULES, st.integers(0, 2**32), st.sampled_from([1, 3]))
def test_any_cut_gives_what_the_plain_form_says(
    pairs: list[Pair], rules: DedupSection, seed: int, threads: int
) -> None:
    found = decided(in_parts(pairs, random.Random(seed)), rules, threads)
    assert found == plain(pairs, rules)
    assert len(found.kept) + len(found.rejects) == len(pairs)
    assert set(found.rejects[0] if found.rejects else REJECTS.names) == set(REJECTS.names)
