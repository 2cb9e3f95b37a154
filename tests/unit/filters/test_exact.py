import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pairs_fixture import batch_of, make_pair
from webpairs_core.errors import PartCorrupt, StorageError
from webpairs_core.schema import CANDIDATES, write_part
from webpairs_filters.exact import count_repeats, fetch_order


def written(path: Path, n: int) -> Path:
    """A part of `n` pairs that hardly compress."""
    texts = (hashlib.sha256(i.to_bytes(8)).hexdigest() * 4 for i in range(n))
    write_part(path, [batch_of([make_pair(text) for text in texts])], CANDIDATES)
    return path


def test_rows_are_sorted_under_a_small_memory(tmp_path: Path) -> None:
    parts = [written(tmp_path / "0", 30_000), written(tmp_path / "1", 20_000)]
    plain = [b["key"] for b in fetch_order(parts, tmp_path / "spill", 2)]
    small = [b["key"] for b in fetch_order(parts[::-1], tmp_path / "spill", 1, "40MB")]
    keys = [key for column in small for key in column.to_pylist()]
    assert len(keys) == 50_000
    assert keys == sorted(keys)
    assert keys == [key for column in plain for key in column.to_pylist()]


def test_repeats_are_numbered_across_batches(tmp_path: Path) -> None:
    batch = batch_of([make_pair(text) for text in "aabbbcaa"])
    for cuts in ([0, 8], [0, 1, 8], [0, 3, 3, 4, 8], list(range(9))):
        pieces = [batch[a:b] for a, b in pairwise(cuts)]
        found = [n for each in count_repeats(pieces) for n in each.ordinals.tolist()]
        assert found == [0, 1, 0, 1, 2, 0, 0, 1]


def test_too_little_memory_is_a_storage_error(tmp_path: Path) -> None:
    part = written(tmp_path / "0", 20_000)
    spill = tmp_path / "spill"
    spill.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="more memory or disk than there is") as caught:
        list(fetch_order([part], spill, 2, "1MB"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_damaged_part_is_named(tmp_path: Path, damage: str) -> None:
    part = written(tmp_path / "part", 500)
    data = bytearray(part.read_bytes())
    data[5_000:] = b"" if damage == "cut" else bytes(5_000) + data[10_000:]
    part.write_bytes(data)
    with pytest.raises(PartCorrupt, match=str(tmp_path)) as caught:
        list(fetch_order([part], tmp_path / "spill", 2))
    assert "\n" not in str(caught.value)


def test_no_progress_bar_is_drawn_on_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB draws one there when a query takes over two seconds; so ask the setting."""
    connection = duckdb.connect()

    @contextmanager
    def connect(config: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
        del config
        yield connection

    monkeypatch.setattr(duckdb, "connect", connect)
    assert list(fetch_order([written(tmp_path / "part", 50)], tmp_path / "spill", 1))
    asked = connection.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    assert asked == (False,)
    connection.close()
