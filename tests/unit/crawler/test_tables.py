"""Tables made elsewhere: every kind of file, the columns carried along, the broken rows counted."""

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from file_server import FileServer
from webpairs_core.errors import PartCorrupt, RecipeError
from webpairs_core.keys import pair_key
from webpairs_core.schema import PAIRS
from webpairs_crawler.options import Table
from webpairs_crawler.tables import lines
from webpairs_crawler.tables.cells import MAX_EXTRA_BYTES
from webpairs_crawler.tables.locate import locate_tables
from webpairs_crawler.tables.read import check_table, read_table
from webpairs_crawler.web.inputs import open_input

URLS = [f"http://pictures.example/{i}.jpg" for i in range(5)]
TEXTS = ["a red kite", "naïve, Größe", 'a "quoted" word', "부엌의 고양이", "two\nlines"]

Read = tuple[list[dict[str, Any]], dict[str, int]]


def read(path: Path | str, url: str = "url", text: str = "", limit: int | None = None) -> Read:
    """The pairs of the one table at a path, and the rows by outcome."""
    [table] = locate_tables([Table(path=str(path), url=url, text=text)])
    rows: list[dict[str, Any]] = []
    outcomes: Counter[str] = Counter()
    with open_input(table.url) as stream:
        for batch in read_table(stream, table, limit):
            assert batch.pairs.schema.equals(PAIRS, check_metadata=True)
            rows += batch.pairs.to_pylist()
            outcomes.update(batch.outcomes)
    assert outcomes["ok"] == len(rows)
    return rows, dict(outcomes)


def extras(rows: list[dict[str, Any]]) -> list[Any]:
    return [json.loads(row["extra"]) if row["extra"] else None for row in rows]


def csv_text(rows: list[list[str]], delimiter: str = ",") -> str:
    quoted = [['"' + field.replace('"', '""') + '"' for field in row] for row in rows]
    return "".join(delimiter.join(row) + "\n" for row in quoted)


def write(folder: Path, name: str) -> Path:
    """The five rows as a table of the kind that the name says."""
    path = folder / name
    rows = [{"url": url, "caption": text} for url, text in zip(URLS, TEXTS, strict=True)]
    kind = name.split(".")[1]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if kind in ("csv", "tsv"):
        cells = [["url", "caption"], *[list(row.values()) for row in rows]]
        data = csv_text(cells, "," if kind == "csv" else "\t")
    elif kind == "json":
        data = json.dumps(rows, indent=1)
    elif kind == "txt":
        data = "\n".join(URLS)
    else:
        data = "".join(json.dumps(row) + "\n" for row in rows)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(data.encode(), mtime=0))
    elif name.endswith(".zst"):
        with pa.output_stream(path, compression="zstd") as stream:
            stream.write(data.encode())
    else:
        path.write_text(data, encoding="utf-8-sig")
    return path


KINDS = ["csv", "tsv", "jsonl", "ndjson", "json"]
NAMES = ["t.parquet", *[f"t.{kind}{end}" for kind in KINDS for end in ("", ".gz", ".zst")]]


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_gives_the_same_pairs(tmp_path: Path, name: str) -> None:
    rows, outcomes = read(write(tmp_path, name), text="caption")
    assert outcomes == {"ok": 5}
    assert [row["url"] for row in rows] == [row["src_url"] for row in rows] == URLS
    assert [row["text"] for row in rows] == [*TEXTS[:4], "two lines"]
    assert [row["key"] for row in rows] == [
        pair_key(url, text) for url, text in zip(URLS, TEXTS, strict=True)
    ]
    assert {row["text_source"] for row in rows} == {"table"}
    assert {row["page_url"] for row in rows} == {""}
    assert [row["found_in"] for row in rows] == [f"{tmp_path / name}#{i}" for i in range(5)]
    assert [row["position"] for row in rows] == list(range(5))
    assert {row["extra"] for row in rows} == {""}


@pytest.mark.parametrize("name", ["t.txt", "t.txt.gz", "t.txt.zst"])
def test_a_list_of_urls(tmp_path: Path, name: str) -> None:
    rows, outcomes = read(write(tmp_path, name))
    assert outcomes == {"ok": 5}
    assert [(row["url"], row["text"]) for row in rows] == [(url, "") for url in URLS]


def test_a_table_whose_text_is_not_mapped_carries_it_along(tmp_path: Path) -> None:
    rows, _ = read(write(tmp_path, "t.jsonl"))
    assert [row["text"] for row in rows] == [""] * 5
    assert extras(rows)[0] == {"caption": "a red kite"}


def test_laions_parquet(tmp_path: Path) -> None:
    """The columns of LAION-400M's metadata, with the nulls and NaNs that it has."""
    table = pa.table(
        {
            "SAMPLE_ID": pa.array([1.5e12, None, 3.0], pa.float64()),
            "URL": ["HTTP://Pictures.example/a b.jpg#top", URLS[1], URLS[2]],
            "TEXT": pa.array(["  A kite\u00a0 ", "dog &amp; cat", "x"]).dictionary_encode(),
            "HEIGHT": pa.array([480, 1, None], pa.int32()),
            "WIDTH": pa.array([640, 1, None], pa.int32()),
            "LICENSE": ["?", None, "https://creativecommons.org/licenses/by/4.0/"],
            "NSFW": ["UNLIKELY", "UNSURE", None],
            "similarity": [0.3125, float("nan"), float("inf")],
        }
    )
    pq.write_table(table, tmp_path / "part.parquet", row_group_size=2)
    rows, outcomes = read(tmp_path / "part.parquet", "URL", "TEXT")
    assert outcomes == {"ok": 3}
    assert rows[0]["url"] == "http://pictures.example/a%20b.jpg"
    assert rows[0]["text"] == "A kite"
    assert rows[0]["key"] == pair_key("http://pictures.example/a%20b.jpg", "A kite")
    first, second, third = (row["extra"] for row in rows)
    assert first == (
        '{"SAMPLE_ID":1500000000000.0,"HEIGHT":480,"WIDTH":640,"LICENSE":"?",'
        '"NSFW":"UNLIKELY","similarity":0.3125}'
    )
    assert json.loads(second) == {"HEIGHT": 1, "WIDTH": 1, "NSFW": "UNSURE"}
    assert json.loads(third) == {"SAMPLE_ID": 3.0, "LICENSE": table["LICENSE"][2].as_py()}


def test_values_of_every_type_are_carried(tmp_path: Path) -> None:
    when = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    table = pa.table(
        {
            "url": URLS[:1],
            "yes": [True],
            "big": pa.array([2**63], pa.uint64()),
            "tags": [["a", "b"]],
            "face": [{"x": 1, "y": 2.5}],
            "when": pa.array([when], pa.timestamp("ns", "UTC")),
            "nano": pa.array([1], pa.timestamp("ns")),
            "id": pa.array([b"\x00\xff"], pa.binary()),
            "": ["no name"],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    rows, _ = read(tmp_path / "t.parquet")
    assert extras(rows) == [
        {
            "yes": True,
            "big": 2**63,
            "tags": ["a", "b"],
            "face": {"x": 1, "y": 2.5},
            "when": "2024-05-06T07:08:09Z",
            "nano": "1970-01-01T00:00:00",
            "id": "AP8=",
            "": "no name",
        }
    ]


def test_a_page_url_column_says_where_it_was_found(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        f"uid,url,alt,page_url\n1,{URLS[0]},a kite,http://p.example/x\n2,{URLS[1]},b,?\n"
    )
    rows, _ = read(path, text="alt")
    assert [row["page_url"] for row in rows] == ["http://p.example/x", ""]
    assert extras(rows) == [{"uid": "1"}, {"uid": "2", "page_url": "?"}]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_optout_signals_that_were_seen_before_are_not_forgotten(tmp_path: Path, kind: str) -> None:
    seen = ["meta-robots:noai@page", "robots:GPTBot@page"]
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        path.write_text(
            f"url,optout\n{URLS[0]},{' '.join(seen)}\n{URLS[1]},\n{URLS[2]},no thanks\n"
        )
    else:
        rows: list[Any] = [
            {"url": URLS[0], "optout": seen},
            {"url": URLS[1], "optout": []},
            {"url": URLS[2], "optout": ["no", "thanks"]},
        ]
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs, _ = read(path)
    assert [row["optout"] for row in pairs] == [seen, [], []]
    assert [row["extra"] for row in pairs[:2]] == ["", ""]
    assert "thanks" in pairs[2]["extra"]  # somebody else's column: it says nothing that we know


def test_rows_without_a_use_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows: list[Any] = [
        {"url": URLS[0], "text": "ok"},
        {"url": "", "text": "x"},
        {"url": None, "text": "x"},
        {"text": "x"},
        {"url": "ftp://a.example/x.jpg", "text": "x"},
        {"url": "no url at all", "text": "x"},
        {"url": 7, "text": "x"},
        {"url": "http://[broken/", "text": "x"},
        {"url": URLS[1], "text": " \u200b "},
        {"url": URLS[1], "text": None},
        {"url": URLS[1]},
        {"url": URLS[2], "text": 1234},
    ]
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    kept, outcomes = read(path, text="text")
    assert outcomes == {"ok": 2, "no_url": 3, "bad_url": 4, "no_text": 3}
    assert [row["text"] for row in kept] == ["ok", "1234"]
    assert [row["position"] for row in kept] == [0, 11]


def test_broken_json_lines(tmp_path: Path) -> None:
    good = json.dumps({"url": URLS[0]}).encode()
    path = tmp_path / "t.jsonl"
    path.write_bytes(
        b"\n".join(
            [
                good,
                good[:-3],
                b"[1, 2]",
                b'"text"',
                b'{"url": "\xff"}',
                b"\xff\xfe",
                b'{"url": "' + b"x" * lines.MAX_LINE_BYTES + b'"}',
                good,
            ]
        )
    )
    kept, outcomes = read(path)
    assert outcomes == {"ok": 2, "bad_json": 3, "bad_utf8": 2, "bad_row": 1}
    assert [row["position"] for row in kept] == [0, 7]


def test_lone_surrogates_spelled_in_json(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        f'{{"url": "{URLS[0]}", "text": "a \\ud800 kite", "note": "\\udfff!", "n": 1}}\n'
    )
    rows, outcomes = read(path, text="text")
    assert outcomes in ({"ok": 1}, {"bad_json": 1})
    for row in rows:
        row["text"].encode()
        assert json.loads(row["extra"])["n"] == 1


def test_broken_csv_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(
        b"url,text,n\n"
        + f"{URLS[0]},fine,1\n".encode()
        + f"{URLS[1]},too few\n".encode()
        + f"{URLS[1]},too,many,of them\n".encode()
        + f"{URLS[1]},bad \xff byte,1\n".encode("latin-1")
        + f'{URLS[1]},"over\ntwo lines, with ""quotes""",1\n'.encode()
        + f'{URLS[2]},"never closed,1\n'.encode()
        + f"{URLS[3]},fine,1\n".encode() * 100
        + f'{URLS[4]},a 5" tall one,1'.encode()
    )
    kept, outcomes = read(path, text="text")
    assert outcomes == {"ok": 103, "bad_row": 3, "bad_utf8": 1}
    assert [kept[i]["text"] for i in (0, 1, -1)] == [
        "fine",
        'over two lines, with "quotes"',
        'a 5" tall one',
    ]


def test_a_quote_that_nothing_closes_before_the_end_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    good = [f"{url},x" for url in URLS]
    path.write_text("\n".join(["url,text", good[0], f'{URLS[1]},"open', *good[2:]]) + "\n")
    kept, outcomes = read(path, text="text")
    assert outcomes == {"ok": 4, "bad_row": 1}
    assert [row["url"] for row in kept] == [URLS[0], *URLS[2:]]


def test_a_field_and_a_line_without_end(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    long_field, long_line = "x" * 200_000, "y" * (3 * lines.MAX_LINE_BYTES)
    path.write_text(f"url\n{long_field}\n{URLS[0]}\n{long_line}\n{URLS[1]}\n")
    kept, outcomes = read(path)
    assert outcomes == {"ok": 2, "bad_row": 2}
    assert [row["url"] for row in kept] == URLS[:2]


def test_parquet_strings_that_are_not_utf8(tmp_path: Path) -> None:
    bad = pa.array([b"http://a.example/\xff", URLS[1].encode(), URLS[2].encode()]).view(pa.string())
    other = pa.array([b"ok", b"\xfe", b"caf\xc3\xa9"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"url": bad, "note": other}), tmp_path / "t.parquet")
    rows, outcomes = read(tmp_path / "t.parquet")
    assert outcomes == {"ok": 2, "bad_utf8": 1}
    assert extras(rows)[1] == {"note": "café"}


def test_what_is_too_long_for_extra_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    row = {"url": URLS[0], "a": 1, "long": "x" * 9_000, "longer": "y" * 20_000, "b": "kept"}
    path.write_text(json.dumps(row) + "\n")
    [table] = locate_tables([Table(path=str(path))])
    with open_input(table.url) as stream:
        [batch] = read_table(stream, table)
    [found] = batch.pairs.to_pylist()
    assert json.loads(found["extra"]) == {"a": 1, "b": "kept"}
    assert len(found["extra"]) <= MAX_EXTRA_BYTES
    assert batch.n_shortened == 1


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.jsonl"])
@pytest.mark.parametrize("limit", [1, 3, 5, 9])
def test_a_limit_counts_rows(tmp_path: Path, name: str, limit: int) -> None:
    rows, outcomes = read(write(tmp_path, name), limit=limit)
    assert [row["url"] for row in rows] == URLS[:limit]
    assert sum(outcomes.values()) == min(limit, 5)


def test_many_batches_keep_their_numbers(tmp_path: Path) -> None:
    n = 10_000
    urls = [f"http://a.example/{i}" if i % 3 else "?" for i in range(n)]
    (tmp_path / "t.txt").write_text("\n".join(urls))
    pq.write_table(pa.table({"url": urls}), tmp_path / "t.parquet", row_group_size=7_000)
    for name in ("t.txt", "t.parquet"):
        rows, outcomes = read(tmp_path / name)
        assert sum(outcomes.values()) == n
        assert [row["position"] for row in rows] == [i for i in range(n) if i % 3]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.tsv", "t.jsonl", "t.json"])
@pytest.mark.parametrize(("url", "text"), [("URL", "caption"), ("url", "TEXT")])
def test_a_missing_column_is_named_with_those_there_are(
    tmp_path: Path, name: str, url: str, text: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        read(write(tmp_path, name), url, text)
    missing = "URL" if url == "URL" else "TEXT"
    assert f"no column '{missing}', only url, caption" in str(caught.value)
    [table] = locate_tables([Table(path=str(tmp_path / name), url=url, text=text)])
    with pytest.raises(RecipeError), open_input(table.url) as stream:
        check_table(stream, table)


def test_files_that_are_no_tables_get_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.xml").write_text("<a/>")
    with pytest.raises(RecipeError, match="no table of a known kind"):
        read(tmp_path / "t.xml")
    with pytest.raises(RecipeError, match="leave text out"):
        read(write(tmp_path, "t.txt"), text="caption")
    with pytest.raises(RecipeError, match="no file matches"):
        read(tmp_path / "none.csv")
    with pytest.raises(RecipeError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.parquet", b"PAR1 no"),
        ("t.parquet", b""),
        ("t.csv.gz", b"url\nhttp://a.example/"),
        ("t.csv.gz", gzip.compress(b"url\n" + b"http://a.example/\n" * 99, mtime=0)[:-20]),
        ("t.txt.zst", b"no zstd at all"),
        ("t.json", b'[{"url": "http://a.example/"}, '),
    ],
)
def test_a_damaged_file_gets_a_sentence(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PartCorrupt, match=r"t\.") as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_cut_parquet(tmp_path: Path) -> None:
    path = write(tmp_path, "t.parquet")
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(PartCorrupt, match="damaged"):
        read(path)


def test_an_array_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_ARRAY_BYTES", 50)
    with pytest.raises(RecipeError, match=r"\.jsonl"):
        read(write(tmp_path, "t.json"))


def test_empty_tables_have_no_rows(tmp_path: Path) -> None:
    for name in ("t.csv", "t.jsonl", "t.txt"):
        (tmp_path / name).write_bytes(b"")
        assert read(tmp_path / name) == ([], {})
    (tmp_path / "h.csv").write_text("url,text\n")
    assert read(tmp_path / "h.csv", text="text") == ([], {})


def test_the_same_file_may_be_read_for_two_columns(tmp_path: Path) -> None:
    path = str(write(tmp_path, "t.csv"))
    twice = [Table(path=path, text="caption"), Table(path=path), Table(path=path)]
    assert [table.text_column for table in locate_tables(twice)] == ["", "caption"]


def test_tables_behind_http(tmp_path: Path) -> None:
    for name in ("t.parquet", "t.csv.gz", "t.json"):
        write(tmp_path, name)
    with FileServer(tmp_path) as server:
        for name in ("t.parquet", "t.csv.gz", "t.json"):
            rows, _ = read(server.url(name), text="caption")
            assert [row["url"] for row in rows] == URLS
            assert rows[4]["found_in"] == f"{server.url(name)}#4"
        server.has_ranges = False
        assert len(read(server.url("t.csv.gz"))[0]) == 5
        with pytest.raises(RecipeError, match="download it first"):
            read(server.url("t.parquet"))
