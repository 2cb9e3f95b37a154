"""webpairs copy when the network, the store or the source fails: a dataset at TO is there and
whole, or it is not there. When it is killed: test_copy_kill.py."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command import webpairs
from dataset_files import contents, random_dataset
from s3_server import BUCKET, Proxy, S3Server, s3_server, settings
from webpairs_core.errors import ShardCorrupt, StorageError
from webpairs_shards.write.copy import copy
from webpairs_shards.write.places import patience, s3

MIB = 1 << 20
TO = f"s3://{BUCKET}/to"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def store(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """An empty bucket, and an environment in which every command finds it."""
    server.empty()
    _use(server.port, monkeypatch)
    return server


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSES_S", (0.01, 0.02, 0.03, 0.04))


def _use(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings(port).items():
        monkeypatch.setenv(name, value)


def _there(store: S3Server, prefix: str = "to/") -> dict[str, bytes]:
    return {key.removeprefix(prefix): store.get(key) for key in store.keys(prefix)}


class _First:
    """The fault for the first `n` requests that `is_it` knows, and their number."""

    def __init__(self, fault: str, n: int, is_it: Callable[[str], bool]) -> None:
        self._fault = fault
        self.left = n
        self._is_it = is_it

    def __call__(self, head: str) -> str | None:
        if self.left and self._is_it(head):
            self.left -= 1
            return self._fault
        return None


# What each kind of request looks like.
REQUESTS: dict[str, Callable[[str], bool]] = {
    "part": lambda head: head.startswith("PUT ") and "partNumber=2" in head,
    "put": lambda head: head.startswith("PUT ") and "shard-000001.tar" in head,
    "begin": lambda head: head.startswith("POST ") and "?uploads" in head,
    "complete": lambda head: head.startswith("POST ") and "?uploadId=" in head,
    "head": lambda head: head.startswith("HEAD ") and "shard-000000.tar" in head,
    "list": lambda head: head.startswith("GET ") and "list-type=2" in head,
    "manifest": lambda head: head.startswith("PUT ") and "manifest.json" in head,
}


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(kind, fault) for kind in REQUESTS for fault in ("503", "reset", "forget")]
    + [("part", "400"), ("put", "400")],
)
def test_a_fault_that_passes_is_waited_for(
    store: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    short_pauses: None,
    kind: str,
    fault: str,
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 * MIB)  # the least that S3 takes
    folder = random_dataset(tmp_path / "set", 12 * MIB, 1000)
    first = _First(fault, 3, REQUESTS[kind])
    with Proxy(store.port, first) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        copy(str(folder), TO, workers=2)
    assert first.left == 0
    assert _there(store) == contents(folder)
    if kind != "begin":  # three uploads were begun whose names nobody has heard
        assert store.unfinished() == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store.port}")
    assert copy(str(folder), TO).n_copied == 0
    assert store.unfinished() == []


@pytest.mark.parametrize("name", ["x-amz-checksum-sha256", "Content-MD5"])
def test_the_store_is_given_a_digest_of_all_it_gets(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 * MIB)
    if name == "Content-MD5":  # AWS's own word for a store that knows no checksums
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    folder = random_dataset(tmp_path / "set", 12 * MIB, 1000)
    with Proxy(store.port, lambda head: None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        copy(str(folder), TO)
    sent = [head.lower() for head in proxy.requests if head.startswith("PUT ")]
    assert len(sent) == 12  # three parts and nine other files
    for head in sent:
        assert f"\r\n{name.lower()}: " in head
        assert ("x-amz-checksum" in head) == (name != "Content-MD5")


def test_memory_holds_a_part_and_not_a_tar(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tracemalloc

    monkeypatch.setattr(s3, "PART_BYTES", 5 * MIB)
    folder = random_dataset(tmp_path / "set", 60 * MIB)
    copy(str(random_dataset(tmp_path / "small", 1000)), f"s3://{BUCKET}/warm")  # imports
    tracemalloc.start()
    try:
        copy(str(folder), TO)
        copy(TO, str(tmp_path / "back"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * MIB
    assert contents(tmp_path / "back") == contents(folder)


def test_the_command_line_waits_too(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = random_dataset(tmp_path / "set", 20 * MIB)
    first = _First("503", 2, REQUESTS["part"])
    with Proxy(store.port, first) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        webpairs("copy", folder, TO).ok()
    assert first.left == 0
    assert _there(store) == contents(folder)


@pytest.mark.parametrize("fault", ["503", "reset"])
@pytest.mark.parametrize("kind", ["part", "put", "complete", "manifest"])
def test_a_fault_that_stays_is_one_sentence(
    store: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    short_pauses: None,
    kind: str,
    fault: str,
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 * MIB)
    folder = random_dataset(tmp_path / "set", 12 * MIB, 1000)
    first = _First(fault, 10**9, REQUESTS[kind])
    name = {"put": "shard-000001.tar", "manifest": "manifest.json"}.get(kind, "shard-000000.tar")
    with Proxy(store.port, first) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(StorageError, match=rf"^{TO}/{name} cannot be written \(") as raised:
            copy(str(folder), TO)
    assert "\n" not in str(raised.value)
    # aiohttp sends a request again, once, when it went out on a connection that was kept open.
    n_asked = len([head for head in proxy.requests if REQUESTS[kind](head)])
    assert n_asked == 5 if fault == "503" else 5 <= n_asked <= 10
    there = _there(store)
    assert name not in there
    assert "manifest.json" not in there
    assert store.unfinished() == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store.port}")
    copy(str(folder), TO)
    assert _there(store) == contents(folder)


@pytest.mark.parametrize("is_done", [True, False])
def test_an_upload_that_is_gone_was_completed_or_was_not(
    store: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    short_pauses: None,
    is_done: bool,
) -> None:
    """Some stores answer NoSuchUpload to whoever completes an upload twice; moto does not."""
    folder = random_dataset(tmp_path / "set", 20 * MIB)
    answers = ["forget", "404"] if is_done else ["reset", "404", "404"]

    def fault(head: str) -> str | None:
        return answers.pop(0) if answers and REQUESTS["complete"](head) else None

    with Proxy(store.port, fault) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        if is_done:
            copy(str(folder), TO)
            assert answers == []
            assert _there(store) == contents(folder)
        else:
            with pytest.raises(StorageError, match=r"shard-000000\.tar"):
                copy(str(folder), TO)
            assert not _there(store).keys() & {"shard-000000.tar", "manifest.json"}


def test_bytes_that_change_on_their_way_are_seen(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto does not look at the checksum that is sent, so this is what our own look is for."""
    monkeypatch.setattr(s3, "PART_BYTES", 5 * MIB)
    folder = random_dataset(tmp_path / "set", 12 * MIB, 1000)
    for kind, name in (("part", "shard-000000.tar"), ("put", "shard-000001.tar")):
        store.empty()
        with Proxy(store.port, _First("flip", 1, REQUESTS[kind])) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
            with pytest.raises(StorageError, match=f"{name} did not arrive as it was sent"):
                copy(str(folder), TO)
        there = _there(store)
        assert there.items() <= contents(folder).items()
        assert not there.keys() & {name, "manifest.json"}
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store.port}")
    copy(str(folder), TO)
    assert _there(store) == contents(folder)


def test_answers_that_break_off_are_taken_up(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_pauses: None
) -> None:
    folder = random_dataset(tmp_path / "set", 12 * MIB, 1000)
    copy(str(folder), TO)
    first = _First("cut", 3, lambda head: head.startswith("GET ") and "bytes=4194304-" in head)
    with Proxy(store.port, first) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        copy(TO, str(tmp_path / "back"))
    assert first.left == 0
    assert contents(tmp_path / "back") == contents(folder)


def _cut(data: bytes) -> bytes:
    return data[:-1]


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("spoil", [_cut, _flip, None])
@pytest.mark.parametrize(
    "name",
    [
        "shard-000000.tar",
        "shard-000001.tar",
        "shard-000001.idx",
        "shard-000000.parquet",
        "sizes.json",
    ],
)
def test_a_damaged_source_stops_and_nothing_of_it_appears(
    store: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    spoil: Callable[[bytes], bytes] | None,
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 * MIB)
    folder = random_dataset(tmp_path / "set", 12 * MIB, 1000)
    expected = contents(folder)
    path = folder / name
    if spoil is None:
        path.unlink()
    else:
        path.write_bytes(spoil(path.read_bytes()))
    for target in (TO, str(tmp_path / "to"), f"memory://{tmp_path}/to"):
        with pytest.raises(ShardCorrupt, match=f"^{path} "):
            copy(str(folder), target)
    memory = _memory(f"{tmp_path}/to/")
    for there in (_there(store), _folder(tmp_path / "to"), memory):
        assert there.items() <= expected.items()
        assert name not in there
        assert "manifest.json" not in there
    assert store.unfinished() == []


def _memory(folder: str) -> dict[str, bytes]:
    import fsspec

    system = fsspec.filesystem("memory")
    return {path.removeprefix(folder): system.cat_file(path) for path in system.find(folder)}


def _folder(folder: Path) -> dict[str, bytes]:
    return contents(folder) if folder.exists() else {}


def test_a_damaged_source_is_exit_code_3(store: S3Server, tmp_path: Path) -> None:
    folder = random_dataset(tmp_path / "set", 1000)
    (folder / "shard-000000.tar").write_bytes(b"x" * 1000)
    for target in (TO, str(tmp_path / "to")):
        done = webpairs("copy", folder, target)
        assert done.code == 3
        assert f"{folder}/shard-000000.tar is not what its manifest says" in done.sentence
    store.put("to/manifest.json", (folder / "manifest.json").read_bytes())
    done = webpairs("copy", TO, tmp_path / "back")
    assert done.code == 3
    assert f"{TO}/sizes.json is missing" in done.sentence
