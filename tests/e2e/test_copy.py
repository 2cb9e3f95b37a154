"""webpairs copy, there and back, against a real S3 API: moto's server on loopback."""

import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import webpairs
from dataset_files import contents, random_dataset
from file_server import FileServer
from s3_server import BUCKET, Proxy, S3Server, s3_server, settings
from samples_fixture import build_shards
from webpairs_core.errors import RecipeError, ShardError
from webpairs_shards.format.index import read_index
from webpairs_shards.write.copy import copy

MIB = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """An empty bucket, and an environment in which every command finds it."""
    server.empty()
    for name, value in settings(server.port).items():
        monkeypatch.setenv(name, value)
    return server


def _objects(s3: S3Server, prefix: str) -> dict[str, bytes]:
    return {key.removeprefix(prefix): s3.get(key) for key in s3.keys(prefix)}


def test_there_and_back_is_the_same_bytes_and_verifies(s3: S3Server, tmp_path: Path) -> None:
    shards = build_shards(tmp_path, 60)
    there = webpairs("copy", shards, f"s3://{BUCKET}/sets/tiny/").ok()
    assert there.out.splitlines()[-1] == f"s3://{BUCKET}/sets/tiny/"
    assert _objects(s3, "sets/tiny/") == contents(shards)
    back = webpairs("copy", f"s3://{BUCKET}/sets/tiny", tmp_path / "back", "--json").ok()
    n_bytes = sum(len(data) for data in contents(shards).values())
    assert json.loads(back.out) == {
        "n_files": 16,
        "n_copied": 16,
        "n_bytes": n_bytes,
        "n_removed": 0,
        "to": str(tmp_path / "back"),
    }
    assert contents(tmp_path / "back") == contents(shards)
    webpairs("verify", tmp_path / "back").ok()


def test_others_read_it_where_it_lies(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    shards = build_shards(tmp_path, 20)
    copy(str(shards), f"s3://{BUCKET}/tiny")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import webdataset

        def opened(url: str, mode: str, _bufsize: int, **_: object) -> Any:
            return fsspec.open(url, mode).open()

        monkeypatch.setitem(webdataset.gopen_schemes, "s3", opened)
        url = f"s3://{BUCKET}/tiny/shard-000001.tar"
        keys = [sample["__key__"] for sample in webdataset.WebDataset(url, shardshuffle=False)]
    index = read_index(shards / "shard-000001.idx")
    assert keys == [bytes(record["key"]).hex() for record in index.records]

    asked: list[str] = []

    def note(head: str) -> None:
        asked.extend(line for line in head.split("\r\n") if line.lower().startswith("range:"))

    with Proxy(s3.port, note) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        record = index.records[3]
        start, size = int(record["text_offset"]), int(record["text_bytes"])
        text = system.cat_file(f"{BUCKET}/tiny/shard-000001.tar", start=start, end=start + size)
    assert text == (shards / "shard-000001.tar").read_bytes()[start : start + size]
    assert asked == [f"Range: bytes={start}-{start + size - 1}"]


def test_a_large_tar_goes_in_parts(s3: S3Server, tmp_path: Path) -> None:
    folder = random_dataset(tmp_path / "set", 40 * MIB, 16 * MIB)
    copy(str(folder), f"s3://{BUCKET}/set")
    assert s3.etag("set/shard-000000.tar").endswith("-3")
    assert "-" not in s3.etag("set/shard-000001.tar")
    assert _objects(s3, "set/") == contents(folder)
    assert s3.unfinished() == []


def test_the_manifest_comes_last_and_only_named_files_come(s3: S3Server, tmp_path: Path) -> None:
    folder = random_dataset(tmp_path / "set", 1000, 2000, 3000)
    whole = contents(folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "shard-000007.tar").write_text("not named")
    with Proxy(s3.port, lambda head: None) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        copy(str(folder), f"s3://{BUCKET}/set", workers=1)
    puts = [head.split()[1].rpartition("/")[2] for head in proxy.requests if head[:3] == "PUT"]
    stems = [f"shard-00000{n}" for n in range(3)]
    assert puts == [
        *(f"{stem}.{ending}" for ending in ("tar", "idx", "parquet") for stem in stems),
        "sizes.json",
        "README.md",
        "croissant.json",
        "manifest.json",
    ]
    assert _objects(s3, "set/") == whole


def test_again_only_what_is_missing_or_differs(s3: S3Server, tmp_path: Path) -> None:
    folder = random_dataset(tmp_path / "set", 1000, 2000)
    url = f"s3://{BUCKET}/set"
    copy(str(folder), url)
    before = s3.times("set/")
    assert copy(str(folder), url).n_copied == 0
    s3.client.delete_object(Bucket=BUCKET, Key="set/shard-000000.idx")
    s3.put("set/shard-000001.tar", b"x" * 2000)
    time.sleep(1.1)  # S3 tells times in whole seconds
    copied = copy(str(folder), url)
    assert (copied.n_copied, copied.n_bytes) == (2, 2096)
    assert _objects(s3, "set/") == contents(folder)
    changed = {key for key, when in s3.times("set/").items() if when != before[key]}
    assert changed == {"set/shard-000000.idx", "set/shard-000001.tar"}

    local = tmp_path / "local"
    copy(url, str(local))
    (local / "shard-000000.tar").write_bytes(b"y" * 1000)
    (local / "shard-000001.parquet").unlink()
    assert copy(url, str(local)).n_copied == 2
    assert contents(local) == contents(folder)


@pytest.mark.parametrize("kind", ["local", "s3", "memory"])
def test_another_dataset_is_replaced_only_when_told(
    s3: S3Server, tmp_path: Path, kind: str
) -> None:
    target = {
        "local": str(tmp_path / "to"),
        "s3": f"s3://{BUCKET}/to",
        "memory": f"memory://{tmp_path}/to",
    }[kind]
    old = random_dataset(tmp_path / "old", 100, 200, 300, seed=1)
    new = random_dataset(tmp_path / "new", 100, 250, seed=2)
    copy(str(old), target)
    with pytest.raises(RecipeError, match=r"manifest\.json belongs to another .* --replace"):
        copy(str(new), target)
    copy(target, str(tmp_path / "still"))
    assert contents(tmp_path / "still") == contents(old)
    copied = copy(str(new), target, is_replacing=True)
    assert (copied.n_copied, copied.n_removed) == (10, 3)
    copy(target, str(tmp_path / "now"))
    assert contents(tmp_path / "now") == contents(new)
    assert copy(str(new), target).n_copied == 0  # no shard of the old one is left to be refused


def test_replace_takes_the_old_manifest_away_first(s3: S3Server, tmp_path: Path) -> None:
    old = random_dataset(tmp_path / "old", 100, 200, seed=1)
    new = random_dataset(tmp_path / "new", 100, seed=2)
    copy(str(old), f"s3://{BUCKET}/to")
    with Proxy(s3.port, lambda head: None) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        copy(str(new), f"s3://{BUCKET}/to", is_replacing=True)
    changes = [head.split()[:2] for head in proxy.requests if head[:3] in ("PUT", "DEL")]
    assert changes[0] == ["DELETE", f"/{BUCKET}/to/manifest.json"]
    assert changes[-4] == ["PUT", f"/{BUCKET}/to/manifest.json"]
    assert [method for method, _ in changes[-3:]] == ["DELETE"] * 3
    assert _objects(s3, "to/") == contents(new)


def test_what_is_no_dataset_of_ours_is_not_overwritten(tmp_path: Path) -> None:
    folder = random_dataset(tmp_path / "set", 100)
    target = tmp_path / "project"
    target.mkdir()
    (target / "README.md").write_text("my project")
    with pytest.raises(RecipeError, match=r"project/README\.md belongs"):
        copy(str(folder), str(target))
    (target / "README.md").unlink()
    (target / "shard-000004.idx").write_text("of an unfinished copy")
    with pytest.raises(RecipeError, match=r"shard-000004\.idx belongs"):
        copy(str(folder), str(target))
    assert [path.name for path in target.iterdir()] == ["shard-000004.idx"]
    (target / "other.txt").write_text("stays")
    copy(str(folder), str(target), is_replacing=True)
    assert contents(target) == contents(folder) | {"other.txt": b"stays"}


@pytest.mark.parametrize("has_ranges", [True, False])
def test_from_a_web_server_that_drops_connections(tmp_path: Path, has_ranges: bool) -> None:
    folder = random_dataset(tmp_path / "set", 20 * MIB, 1000)
    cuts = 2

    def cut(head: str) -> str | None:
        """In the middle of the second block, or of the whole tar."""
        nonlocal cuts
        wanted = "bytes=4194304-" in head if has_ranges else "shard-000000.tar" in head
        if not cuts or not wanted or not head.startswith("GET "):
            return None
        cuts -= 1
        return "cut"

    with FileServer(tmp_path) as web, Proxy(web.port, cut) as proxy:
        web.has_ranges = has_ranges
        web.n_refusals = 1
        copy(f"http://127.0.0.1:{proxy.port}/set", str(tmp_path / "to"), workers=1)
        assert (cuts, web.n_refusals) == (0, 0)
        with pytest.raises(ShardError, match=r"/nothing holds no manifest\.json"):
            copy(web.url("nothing"), str(tmp_path / "none"))
    assert contents(tmp_path / "to") == contents(folder)


def test_from_bucket_to_bucket_and_by_file_url(s3: S3Server, tmp_path: Path) -> None:
    folder = random_dataset(tmp_path / "set", 17 * MIB, 1000)
    copy(f"file://{folder}", f"s3://{BUCKET}")  # a bucket without a prefix is a folder, too
    copy(f"s3://{BUCKET}/", f"s3://{BUCKET}/b/c")
    assert _objects(s3, "b/c/") == contents(folder)
    copy(f"s3://{BUCKET}/b/c", f"file://{tmp_path}/to")
    assert contents(tmp_path / "to") == contents(folder)
