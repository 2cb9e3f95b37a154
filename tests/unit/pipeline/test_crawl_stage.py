"""The crawl stage over archives and tables: units, funnels, limits, and what reopens it."""

import gzip
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archives_fixture import write_warc
from file_server import FileServer
from samples_fixture import make_run
from webpairs_core.errors import NothingLeft, PartCorrupt, RecipeError
from webpairs_core.files import file_sha256
from webpairs_core.funnel import Funnel
from webpairs_core.schema import PAGES, PAIRS, read_table
from webpairs_pipeline.run import Run
from webpairs_pipeline.stages import STAGES, run_stage

CRAWL, FILTER, DEDUP = STAGES[:3]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write_warc(folder / "b.warc.gz", 3, "b.example")
    write_warc(folder / "a.warc.gz", 2, "a.example")
    rows = {"URL": [f"http://t.example/{i}.jpg" for i in range(5)] + [None], "TEXT": ["x y"] * 6}
    pq.write_table(pa.table(rows | {"similarity": [0.5] * 6}), folder / "laion.parquet")
    (folder / "urls.txt").write_text("http://u.example/1.jpg\nno url\n")
    return folder


def mixed(data: Path, out: Path, workers: int = 1, limit: int | None = None) -> Run:
    crawl: dict[str, Any] = {
        "warc": [f"{data}/*.warc.gz"],
        "tables": [
            {"path": f"{data}/laion.parquet", "url": "URL", "text": "TEXT"},
            {"path": f"{data}/urls.txt"},
        ],
    }
    return make_run(out, workers=workers, limit=limit, crawl=crawl)


def crawled(run: Run) -> dict[str, Funnel]:
    return {funnel.noun: funnel for funnel in run_stage(CRAWL, run).funnels}


def digests(out: Path) -> dict[str, str]:
    parts = [*out.glob("pairs/*"), *out.glob("pages/*")]
    return {str(path.relative_to(out)): file_sha256(path) for path in parts}


def test_each_file_is_a_unit_and_each_way_has_its_funnel(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    funnels = crawled(mixed(data, out))
    assert funnels["records"] == Funnel("crawl", "records", 10, 5, {"http_4xx": 5})
    assert funnels["rows"] == Funnel("crawl", "rows", 8, 6, {"bad_url": 1, "no_url": 1})
    assert set(digests(out)) == {
        "pages/part-w00000.parquet",
        "pages/part-w00001.parquet",
        "pairs/part-w00000.parquet",
        "pairs/part-w00001.parquet",
        "pairs/part-t00000.parquet",
        "pairs/part-t00001.parquet",
    }
    first = read_table(out / "pairs/part-w00000.parquet", PAIRS).to_pylist()
    assert {row["page_url"] for row in first} == {"http://a.example/0", "http://a.example/1"}
    assert first[0]["found_in"].startswith(f"{data}/a.warc.gz@")
    pages = read_table(out / "pages/part-w00000.parquet", PAGES).to_pylist()
    assert [page["n_pairs"] for page in pages] == [2, 0, 2, 0]
    info = run_stage(CRAWL, mixed(data, out)).info
    assert info["n_pairs"] == 16
    assert info["unpaired"] == {"no_text": 5}
    assert (info["n_images"], info["n_archives"], info["n_tables"]) == (15, 2, 2)
    assert "n_hosts" not in info


def test_the_number_of_workers_changes_nothing(data: Path, tmp_path: Path) -> None:
    crawled(mixed(data, tmp_path / "one"))
    crawled(mixed(data, tmp_path / "two", workers=2))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_what_follows_takes_these_parts(data: Path, tmp_path: Path) -> None:
    run = mixed(data, tmp_path / "out")
    crawled(run)
    [funnel] = run_stage(FILTER, run).funnels
    assert (funnel.rows_in, funnel.kept) == (16, 16)
    [funnel] = run_stage(DEDUP, run).funnels
    assert funnel.kept == 16


@pytest.mark.parametrize("limit", [1, 4, 5, 100])
def test_a_limit_bounds_each_way(data: Path, tmp_path: Path, limit: int) -> None:
    funnels = crawled(mixed(data, tmp_path / "out", workers=2, limit=limit))
    assert funnels["records"].rows_in == min(limit, 10)
    assert funnels["rows"].rows_in == min(limit, 8)
    rows = 0
    for path in (tmp_path / "out/pages").iterdir():
        pages = read_table(path, PAGES).to_pylist()
        pairs = read_table(tmp_path / "out/pairs" / path.name, PAIRS)
        assert pairs.num_rows == sum(page["n_pairs"] for page in pages)
        rows += len(pages)
    assert rows == min(limit, 10)


def test_a_finished_file_is_not_read_again(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with FileServer(data) as server:
        listing = "a.warc.gz\nb.warc.gz\n"
        (data / "x.paths.gz").write_bytes(gzip.compress(listing.encode()))
        (data / "bad.csv").write_text("a,b\n")
        crawl: dict[str, Any] = {"warc": [server.url("x.paths.gz")]}
        crawl["tables"] = [{"path": server.url("urls.txt")}]
        run = make_run(out, crawl=crawl)
        (data / "b.warc.gz").rename(data / "away")
        with pytest.raises(RecipeError, match=r"b\.warc\.gz is not there"):
            run_stage(CRAWL, run)
        (data / "away").rename(data / "b.warc.gz")
        server.asked.clear()
        # The listing now says something else; this run goes by what it said.
        (data / "x.paths.gz").write_bytes(gzip.compress(b"none.warc.gz\n"))
        run_stage(CRAWL, run)
        assert set(server.asked) == {"/b.warc.gz", "/urls.txt"}
        server.asked.clear()
        run_stage(CRAWL, run)
        assert server.asked == []
    run_stage(CRAWL, run)


def test_a_changed_local_file_reopens_the_stage(data: Path, tmp_path: Path) -> None:
    run = mixed(data, tmp_path / "out")
    before = crawled(run)["rows"].rows_in
    listed = data / "urls.txt"
    stamp = listed.stat().st_mtime_ns
    listed.write_text("http://u.example/1.jpg\nno url\nhttp://u.example/2.jpg\n")
    assert crawled(run)["rows"].rows_in == before + 1
    listed.write_text("http://u.example/3.jpg\nno url\nhttp://u.example/4.jpg\n")
    os.utime(listed, ns=(stamp, stamp + 10**9))
    crawled(run)
    pairs = read_table(tmp_path / "out/pairs/part-t00001.parquet", PAIRS)
    assert pairs["url"].to_pylist() == ["http://u.example/3.jpg", "http://u.example/4.jpg"]
    write_warc(data / "c.warc.gz", 1, "c.example")
    assert crawled(run)["records"].rows_in == 12


def test_a_local_file_that_is_gone_keeps_what_was_made(data: Path, tmp_path: Path) -> None:
    run = mixed(data, tmp_path / "out")
    crawled(run)
    made = digests(tmp_path / "out")
    (data / "urls.txt").unlink()
    with pytest.raises(RecipeError, match="no file matches"):
        run_stage(CRAWL, run)
    assert digests(tmp_path / "out") == made


def test_nothing_named_at_all(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        run_stage(CRAWL, make_run(tmp_path))
    for name in ("crawl.seeds", "crawl.warc", "crawl.tables"):
        assert name in str(caught.value)


def test_files_without_a_pair(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("no url\n")
    run = make_run(tmp_path / "out", crawl={"tables": [{"path": str(tmp_path / "t.txt")}]})
    with pytest.raises(NothingLeft, match="0 rows"):
        run_stage(CRAWL, run)


def test_a_table_is_looked_at_before_anything_else(data: Path, tmp_path: Path) -> None:
    (data / "bad.csv").write_text("link,words\nhttp://a.example/1.jpg,x\n")
    tables = [{"path": f"{data}/urls.txt"}, {"path": f"{data}/bad.csv", "text": "words"}]
    run = make_run(tmp_path / "out", crawl={"warc": [f"{data}/a.warc.gz"], "tables": tables})
    with pytest.raises(RecipeError, match="only link, words"):
        run_stage(CRAWL, run)
    assert not (tmp_path / "out/pairs").exists()


def test_an_archive_that_is_none(data: Path, tmp_path: Path) -> None:
    (data / "z.warc.gz").write_bytes(gzip.compress(b"this is no archive\n" * 99))
    with pytest.raises(PartCorrupt, match=r"z\.warc\.gz"):
        crawled(mixed(data, tmp_path / "out"))
    assert not [p for p in (tmp_path / "out/run/tmp").rglob("*") if p.is_file()]
