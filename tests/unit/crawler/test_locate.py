"""Archive files of a recipe: found by path, glob, URL and listing, and read as streams."""

import gzip
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from file_server import FileServer
from webpairs_core.errors import RecipeError, StorageError
from webpairs_crawler.archive.locate import COMMON_CRAWL, Input, locate, open_input
from webpairs_crawler.web import inputs

BIG = os.urandom(1 << 20) * 9
"""More than two blocks."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_PAUSES_S", (0.01, 0.02))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.warc.gz", "a.warc.gz", "deep/er/c.warc.wat.gz", "d.arc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[FileServer]:
    with FileServer(folder) as server:
        yield server


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket with three archives, a listing of one of them, and a big file."""
    import boto3  # type: ignore[import-untyped]

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="crawl")
    for key in ("x/1.warc.gz", "x/2.warc.gz", "x/3.warc.wat.gz"):
        client.put_object(Bucket="crawl", Key=key, Body=key.encode())
    client.put_object(Bucket="crawl", Key="big", Body=BIG)
    client.put_object(Bucket="crawl", Key="l/wat.paths", Body=b"x/3.warc.wat.gz\n")
    inputs._s3.cache_clear()
    yield "s3://crawl"
    inputs._s3.cache_clear()
    client.close()


def names(found: list[Input]) -> list[str]:
    return [each.url for each in found]


def listing(path: Path, *lines: str) -> Path:
    data = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def test_local_globs_are_sorted_without_repeats(folder: Path) -> None:
    found = locate([f"{folder}/*.warc.gz", f"{folder}/a.warc.gz", f"{folder}/**/*.wat.gz"])
    assert [(Path(f.url).name, f.size, f.kind) for f in found] == [
        ("a.warc.gz", 9, "warc"),
        ("b.warc.gz", 9, "warc"),
        ("c.warc.wat.gz", 21, "wat"),
    ]
    assert names(locate(["*.warc.gz", "d.arc"])) == ["a.warc.gz", "b.warc.gz", "d.arc"]


def test_a_glob_leaves_out_the_indexes_beside_the_archives(folder: Path) -> None:
    for name in ("a.cdx", "b.cdxj"):
        (folder / name).write_bytes(b"x")
    found = names(locate(["*"]))
    assert "a.warc.gz" in found
    assert not {"a.cdx", "b.cdxj"} & set(found)


def test_a_name_with_brackets_is_a_file_if_there_is_one(folder: Path) -> None:
    (folder / "[x].warc").write_bytes(b"x")
    assert names(locate(["[x].warc"])) == ["[x].warc"]


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("{folder}", "is a folder"),
        ("{folder}/*.zst", "no file matches"),
        ("{folder}/none.warc", "no file matches"),
        ("ftp://host/a.warc", "no local path"),
        ("https://host/*.warc", "name each file"),
    ],
)
def test_what_names_no_file_gets_a_sentence(folder: Path, pattern: str, sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence) as caught:
        locate([pattern.format(folder=folder)])
    assert "\n" not in str(caught.value)


def test_a_local_listing(folder: Path) -> None:
    (folder / "lists").mkdir()
    (folder / "lists" / "near.warc").write_bytes(b"1234")
    in_cc = "crawl-data/CC-MAIN-2025-05/segments/1/wat/x.warc.wat.gz"
    far = "https://elsewhere.example/y.warc.gz"
    path = folder / "lists" / "some.paths.gz"
    listing(path, "# mine", "near.warc", "a.warc.gz", "", in_cc, far)
    assert {each.url: (each.size, each.kind) for each in locate([str(path)])} == {
        "a.warc.gz": (9, "warc"),
        COMMON_CRAWL + in_cc: (0, "wat"),
        far: (0, "warc"),
        str(folder / "lists/near.warc"): (4, "warc"),
    }


def test_a_remote_listing_starts_at_its_own_root(server: FileServer, folder: Path) -> None:
    listing(folder / "deep/wat.paths.gz", "deep/er/c.warc.wat.gz", "/a.warc.gz")
    found = names(locate([server.url("deep/wat.paths.gz")]))
    assert found == [server.url("a.warc.gz"), server.url("deep/er/c.warc.wat.gz")]
    with open_input(found[1]) as file:
        assert file.read() == b"deep/er/c.warc.wat.gz"


@pytest.mark.parametrize("line", ["http://127.0.0.1:22/x", "//127.0.0.1/x", "s3://mine/x"])
def test_a_remote_listing_cannot_lead_elsewhere(
    server: FileServer, folder: Path, line: str
) -> None:
    listing(folder / "x.paths", line)
    with pytest.raises(RecipeError, match="not on the same server"):
        locate([server.url("x.paths")])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no gzip", "is not whole gzip"),
        (gzip.compress(b"a.warc.gz\n" * 99, mtime=0)[:-9], "is not whole gzip"),
        (gzip.compress(b"\n# nothing\n", mtime=0), "names no file"),
        (gzip.compress(b"\xff\xfe\x00", mtime=0), "is not text"),
        (gzip.compress(b"/not/there.warc\n", mtime=0), "which is not there"),
    ],
)
def test_a_bad_listing_gets_a_sentence(folder: Path, data: bytes, sentence: str) -> None:
    (folder / "x.paths.gz").write_bytes(data)
    with pytest.raises(RecipeError, match=sentence):
        locate([str(folder / "x.paths.gz")])


def test_an_unreachable_listing_gets_a_sentence(server: FileServer, free_port: int) -> None:
    with pytest.raises(RecipeError, match="is not there"):
        locate([server.url("none.paths.gz")])
    with pytest.raises(StorageError, match="check the network") as caught:
        locate([f"http://127.0.0.1:{free_port}/x.paths.gz"])
    assert str(free_port) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (503, StorageError, "HTTP 503"),
        (429, StorageError, "HTTP 429"),
        (403, RecipeError, "may not be read by you"),
        (410, RecipeError, "is not there"),
    ],
)
def test_a_server_that_refuses(
    server: FileServer, status: int, kind: type[Exception], sentence: str
) -> None:
    server.refusal, server.n_refusals = status, 99
    with pytest.raises(kind, match=sentence):
        open_input(server.url("a.warc.gz"))


def test_a_server_that_is_busy_for_a_while(server: FileServer, folder: Path) -> None:
    server.n_refusals = 3
    with open_input(server.url("a.warc.gz")) as file:
        assert file.read() == b"a.warc.gz"
    (folder / "big").write_bytes(BIG)
    with open_input(server.url("big")) as file:
        server.n_refusals = 1
        assert file.read() == BIG


@pytest.mark.parametrize("has_ranges", [True, False])
def test_http_is_streamed_in_blocks(server: FileServer, folder: Path, has_ranges: bool) -> None:
    (folder / "big").write_bytes(BIG)
    server.has_ranges = has_ranges
    with open_input(server.url("big")) as file:
        assert file.read(10) == BIG[:10]
        assert file.read(5_000_000) == BIG[10:5_000_010]
        assert file.read() == BIG[5_000_010:]
        assert file.read(1) == b""
    assert (server.asked.count("/big") > 2) is has_ranges


def test_http_takes_up_what_a_dropped_connection_left(server: FileServer, folder: Path) -> None:
    (folder / "big").write_bytes(BIG)
    with open_input(server.url("big")) as file:
        server.n_drops = 2
        assert file.read() == BIG


def test_http_that_keeps_dropping_is_a_sentence(server: FileServer, folder: Path) -> None:
    (folder / "big").write_bytes(BIG)
    with open_input(server.url("big")) as file:
        server.n_drops = 99
        with pytest.raises(StorageError, match="run the same command again"):
            file.read()


def test_a_gz_that_calls_itself_encoded_arrives_as_it_is(server: FileServer, folder: Path) -> None:
    """As Apache's mod_mime has it: Content-Encoding of a file that is gzip itself."""
    data = gzip.compress(b"WARC/1.1 ...", mtime=0)
    (folder / "e.warc.gz").write_bytes(data)
    server.headers = {"Content-Encoding": "x-gzip"}
    with open_input(server.url("e.warc.gz")) as file:
        assert file.read() == data


def test_http_can_seek(server: FileServer, folder: Path) -> None:
    (folder / "big").write_bytes(BIG)
    with open_input(server.url("big")) as file:
        assert file.seekable()
        file.seek(-5, 2)
        assert file.read() == BIG[-5:]


def test_s3(bucket: str) -> None:
    found = locate([f"{bucket}/x/*.warc.gz", f"{bucket}/x/3.warc.wat.gz"])
    assert [(f.url, f.size, f.kind) for f in found] == [
        (f"{bucket}/x/1.warc.gz", 11, "warc"),
        (f"{bucket}/x/2.warc.gz", 11, "warc"),
        (f"{bucket}/x/3.warc.wat.gz", 0, "wat"),
    ]
    with open_input(found[0].url) as file:
        assert file.read() == b"x/1.warc.gz"
    with open_input(f"{bucket}/big") as file:
        assert file.read(3) + file.read() == BIG
        file.seek(-5, 2)
        assert file.read() == BIG[-5:]
    assert names(locate([f"{bucket}/l/wat.paths"])) == [f"{bucket}/x/3.warc.wat.gz"]


def test_s3_that_holds_no_such_thing_gets_a_sentence(bucket: str) -> None:
    with pytest.raises(RecipeError, match="no file matches"):
        locate([f"{bucket}/x/*.zst"])
    for url in (f"{bucket}/none", "s3://no-such-bucket/x"):
        with pytest.raises(RecipeError, match="is not there"):
            open_input(url)


def test_s3_without_an_account_asks_as_nobody(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert inputs._s3().anon


def test_s3_without_its_extra_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs._s3.cache_clear()
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(RecipeError, match=r"webpairs\[s3\]"):
        open_input("s3://crawl/a.warc.gz")


def test_a_missing_file_and_a_folder(folder: Path) -> None:
    with pytest.raises(RecipeError, match="is not there"):
        open_input(str(folder / "none"))
    with pytest.raises(RecipeError, match="is not there"):
        open_input(str(folder))
