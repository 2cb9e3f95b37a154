"""Tables made to break a reader: a broken row is counted, a broken file is one sentence."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from webpairs_core.errors import PartCorrupt
from webpairs_crawler.options import Table
from webpairs_crawler.tables.locate import locate_tables
from webpairs_crawler.tables.read import read_table

DEEP = b"[" * 100_000 + b"]" * 100_000


def outcomes(path: Path) -> dict[str, int]:
    [table] = locate_tables([Table(path=str(path))])
    with path.open("rb") as stream:
        [batch] = read_table(stream, table)
    return batch.outcomes


def test_json_nested_without_end_costs_its_row(tmp_path: Path) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_bytes(b'{"url":"http://a/1","x":' + DEEP + b'}\n{"url":"http://a/2"}\n' + DEEP)
    assert outcomes(path) == {"bad_json": 2, "ok": 1}


def test_a_json_array_nested_without_end_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_bytes(DEEP)
    with pytest.raises(PartCorrupt, match="no whole JSON array"):
        outcomes(path)


def test_a_parquet_file_whose_column_names_are_no_utf8_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "names.parquet"
    pq.write_table(pa.table({"url": ["http://a/1"], "zzzz": ["x"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"zzzz", b"\xff\xfe\xfd\xfc"))
    with pytest.raises(PartCorrupt, match="is no Parquet file or damaged"):
        outcomes(path)
