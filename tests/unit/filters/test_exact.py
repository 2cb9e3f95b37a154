import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pairs_fixture import FETCHED, batch_of, make_pair
from webpairs_core.errors import PartCorrupt, StorageError
from webpairs_core.schema import CANDIDATES, write_part
from webpairs_filters.duplicates.database import Room, open_database
from webpairs_filters.duplicates.exact import decide, kept, open_pairs
from webpairs_filters.options import DedupSection

SMALL = "80MB"
BY_PAIR = DedupSection()


def written(path: Path, n: int) -> Path:
    """A part of `n` pairs that hardly compress."""
    texts = (hashlib.sha256(i.to_bytes(8)).hexdigest() * 4 for i in range(n))
    write_part(path, [batch_of([make_pair(text) for text in texts])], CANDIDATES)
    return path


def kept_keys(parts: list[Path], room: Room, rules: DedupSection = BY_PAIR) -> list[bytes]:
    with open_pairs(parts, room) as db:
        decide(db, rules)
        keys = [key for batch in kept(db, rules) for key in batch["key"].to_pylist()]
        # DuckDB makes the folder when it spills for the first time, and takes it away at the end.
        assert room.spill.is_dir() == (room.memory == SMALL)
        return keys


@pytest.mark.parametrize("by", ["url_text", "none"])
def test_a_small_memory_spills_and_changes_nothing(tmp_path: Path, by: Any) -> None:
    parts = [written(tmp_path / "0", 60_000), written(tmp_path / "1", 40_000)]
    rules, spill = DedupSection(by=by), tmp_path / "spill"
    plain = kept_keys(parts, Room(spill, 2), rules)
    assert kept_keys(parts[::-1], Room(spill, 1, SMALL), rules) == plain
    if by == "none":
        assert len(set(plain)) == 100_000
    else:
        assert len(plain) == 60_000
        assert plain == sorted(plain)


@pytest.mark.parametrize("by", ["url_text", "url"])
def test_at_one_place_the_other_columns_decide_and_the_time_last(tmp_path: Path, by: Any) -> None:
    """As of a page that lies in two archives."""
    early, late = FETCHED, FETCHED + timedelta(hours=1)
    rows = [
        make_pair(found_in=found_in, fetched_at=when)
        for found_in, when in (
            ("b.warc", early),
            ("a.warc", late),
            ("a.warc", late),
            ("c.warc", early),
        )
    ]
    for turned in (rows, rows[::-1], rows[2:] + rows[:2]):
        parts = [tmp_path / "0", tmp_path / "1"]
        for part, some in zip(parts, (turned[:1], turned[1:]), strict=True):
            write_part(part, [batch_of(some)], CANDIDATES)
        with open_pairs(parts, Room(tmp_path / "spill", 2)) as db:
            assert sum(decide(db, DedupSection(by=by)).values()) == 3
            [row] = [row for batch in kept(db, BY_PAIR) for row in batch.to_pylist()]
        assert (row["found_in"], row["fetched_at"]) == ("a.warc", late)


def test_no_row_is_no_row(tmp_path: Path) -> None:
    assert kept_keys([written(tmp_path / "0", 0)], Room(tmp_path / "spill", 2)) == []


def test_too_little_memory_is_a_storage_error(tmp_path: Path) -> None:
    part = written(tmp_path / "0", 20_000)
    spill = tmp_path / "spill"
    spill.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="more memory or disk than there is") as caught:
        kept_keys([part], Room(spill, 2, "1MB"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_damaged_part_is_named(tmp_path: Path, damage: str) -> None:
    part = written(tmp_path / "part", 500)
    data = bytearray(part.read_bytes())
    data[5_000:] = b"" if damage == "cut" else bytes(5_000) + data[10_000:]
    part.write_bytes(data)
    with pytest.raises(PartCorrupt, match=str(tmp_path)) as caught:
        kept_keys([part], Room(tmp_path / "spill", 2))
    assert "\n" not in str(caught.value)


def test_no_progress_bar_is_drawn_on_stdout(tmp_path: Path) -> None:
    """DuckDB draws one there when a query takes over two seconds; so ask the setting."""
    with open_database(Room(tmp_path / "spill", 1)) as db:
        asked = db.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    assert asked == (False,)
